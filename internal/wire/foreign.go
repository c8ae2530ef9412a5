// This file recognises callers that took the port for something else, so that
// they can be told instead of having their protocol read out to a room.

package wire

import (
	"bytes"
	"slices"
)

// Foreign tells whether the first bytes of a connection belong to another
// protocol than chat, and what to answer before closing: one sentence, without
// a mark before it and without a line end.
//
// first is the first line, or what has come so far when it is long or there is
// no line end yet; what is behind a line end in it does not count. As a line
// grows a false may become true, so ask again when it is complete. It takes for
// foreign:
//
//   - a request line of HTTP, VERB TARGET HTTP/1.1 (RFC 9112, section 3), with
//     any verb and any version; also one of a known verb with a target so long
//     that the line may have been cut before its end. A mere verb, as in GET me
//     a coffee, is text, and so is I love HTTP/1.1, as love is no target
//   - a TLS record of the kind that begins a connection (RFC 8446, section 5.1)
//   - an SSH identification, SSH-2.0-… (RFC 4253, section 4.2)
//   - a NUL within the line, as in the hellos of RDP, SMB and most others
//
// Telnet commands and a byte order mark before the text do no harm.
func Foreign(first []byte) (answer string, foreign bool) {
	// A TLS record may hold CR, LF and 0xFF anywhere behind its type and version.
	if bytes.HasPrefix(first, []byte{22, 3}) {
		return "this is chatd, a chat for nc and telnet, and this port does not speak TLS: use  nc HOST PORT", true
	}
	if bytes.IndexByte(first, iac) >= 0 {
		// The option TRANSMIT-BINARY is a NUL.
		first = new(Telnet).Strip(bytes.Clone(first))
	}
	first = bytes.TrimPrefix(first, []byte("\ufeff"))
	first = bytes.TrimLeft(first, "\r\n")
	if n := lineEnd(first); n >= 0 {
		first = first[:n]
	}
	switch {
	case httpRequest(first):
		return "this is chatd, a chat for nc and telnet, not a web server: use  nc HOST PORT", true
	case sshBanner(first):
		return "this is chatd, a chat for nc and telnet, not an SSH server: use  nc HOST PORT", true
	case bytes.IndexByte(first, 0) >= 0:
		return "this is chatd, a chat for nc and telnet: it understands lines of text in UTF-8, not binary data", true
	}
	return "", false
}

// IsHTTP tells whether first, as in Foreign, begins with a request line of HTTP.
func IsHTTP(first []byte) bool {
	if n := lineEnd(first); n >= 0 {
		first = first[:n]
	}
	return httpRequest(first)
}

// HTTPRefusal is what stands before a sentence so that a browser shows it: the head of
// an answer whose body ends with the connection (RFC 9112, section 6.3). Lines that end
// with LF alone are understood by all of them (section 2.2), and do no harm to others.
const HTTPRefusal = "HTTP/1.1 400 Bad Request\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n"

// httpVerbs are the methods of RFC 9110, section 9, and RFC 5789: those a web
// page can make a browser send, and more.
var httpVerbs = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// longTarget is how many bytes a target needs for its request line to count
// although the version is cut off. A page chooses the length of the address it
// posts to, so a line over the limit must not be a way in. It has to be less
// than any limit for lines in use.
const longTarget = 100

func httpRequest(line []byte) bool {
	words := bytes.Fields(line)
	if len(words) < 2 || len(words) > 3 || !token(words[0]) || !target(words[1]) {
		return false
	}
	version := []byte(nil)
	if len(words) == 3 {
		version = words[2]
	}
	return httpVersion(version) || cutRequest(words[0], words[1], version)
}

// cutRequest tells whether a request line may have been cut, in its target or
// later.
func cutRequest(verb, target, version []byte) bool {
	return len(target) >= longTarget &&
		slices.Contains(httpVerbs[:], string(verb)) &&
		bytes.HasPrefix([]byte("HTTP/1.1"), version)
}

// token follows RFC 9110, section 5.6.2.
func token(word []byte) bool {
	for _, c := range word {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

// target tells whether word has one of the four forms of RFC 9112, section 3.2.
// Of the form that CONNECT uses, HOST:PORT, a colon and a digit is enough.
func target(word []byte) bool {
	if word[0] == '/' || string(word) == "*" || bytes.Contains(word, []byte("://")) {
		return true
	}
	colon := bytes.LastIndexByte(word, ':')
	return colon > 0 && colon+1 < len(word) && digit(word[colon+1])
}

func httpVersion(word []byte) bool {
	return len(word) == len("HTTP/1.1") && string(word[:5]) == "HTTP/" &&
		digit(word[5]) && word[6] == '.' && digit(word[7])
}

func sshBanner(line []byte) bool {
	version, ok := bytes.CutPrefix(line, []byte("SSH-"))
	if !ok {
		return false
	}
	version, _, ok = bytes.Cut(version, []byte("-"))
	major, minor, dotted := bytes.Cut(version, []byte("."))
	return ok && dotted && digits(major) && digits(minor)
}

func digits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return len(b) > 0
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
