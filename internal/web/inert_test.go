package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/sock"
	"github.com/chatd/chatd/internal/web"
	"github.com/chatd/chatd/internal/wire"
)

// object is one of the protocol's.
type object map[string]any

// scripted is a relay that says to the page what a test wants, whatever a real one
// would never say. After a nil object it ends the connection.
type scripted struct {
	answer func(asked object, say func(...object))
}

func (s scripted) ServeWebSocketConn(ctx context.Context, nc net.Conn, early []byte) error {
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	conn, frames := sock.New(nc), wire.Frames{Max: 64 << 10}
	defer conn.Release()
	var failed error
	say := func(objects ...object) {
		for _, o := range objects {
			if o == nil {
				nc.Close()
				return
			}
			var line bytes.Buffer
			if err := json.NewEncoder(&line).Encode(o); err != nil {
				panic(err)
			}
			if _, err := nc.Write(wire.AppendFrame(nil, wire.FrameText, line.Bytes())); err != nil {
				failed = err
			}
		}
	}
	for chunk := early; ; {
		m, rest, ok, err := frames.Next(chunk)
		switch {
		case err != nil:
			return err
		case failed != nil:
			return failed
		case ok && m.Op == wire.FrameClose:
			return nil
		case ok && m.Op == wire.FrameText:
			var asked object
			if err := json.Unmarshal(m.Data, &asked); err != nil {
				return err
			}
			s.answer(asked, say)
			fallthrough
		case ok:
			chunk = rest
		default:
			if chunk, err = conn.ReadChunk(); err != nil {
				return err
			}
		}
	}
}

// page opens the page of a scripted relay.
func (s scripted) page(t *testing.T) *page {
	t.Helper()
	server, l := web.New(web.Config{Relay: s}), localListener(t)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx, l) })
	p := newPage(t)
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	p.do(chromedp.Navigate("http://" + l.Addr().String() + "/"))
	return p
}

// payloads are what would do something in a page that made markup, an address or
// script of what people say.
func payloads() []string {
	const act = "window.harmed=1"
	all := []string{
		"<script>" + act + "</script>", "<ScRiPt>" + act + "</sCrIpT>", "</script><script>" + act + "</script>", "<script src=//evil.example/x.js></script>",
		"<script\n>" + act + "</script\n>", "<scr<script>ipt>" + act + "</scr</script>ipt>", "<<script>" + act + "//<</script>", "%3Cscript%3E" + act + "%3C/script%3E",
		"&lt;script&gt;" + act + "&lt;/script&gt;", "&#60;script&#62;" + act, "\\u003cscript\\u003e" + act, "\\x3cscript\\x3e" + act,
		"</textarea><script>" + act + "</script>", "</title><script>" + act + "</script>", "</style><script>" + act + "</script>", "--><script>" + act + "</script><!--",
		"]]><script>" + act + "</script>", "*/" + act + "/*", "'-" + act + "-'", "\"-" + act + "-\"", "`${" + act + "}`", "{{constructor.constructor('" + act + "')()}}", "${" + act + "}", "<%= " + act + " %>",
		"javascript:" + act, "JaVaScRiPt:" + act, "java\tscript:" + act, "java\nscript:" + act, " javascript:" + act, "javascript://example.org/%0a" + act,
		"javascript:" + act + "//https://example.org/", "https://javascript:" + act + "@example.org/", "data:text/html,<script>" + act + "</script>", "data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGFybWVkPTE8L3NjcmlwdD4=", "vbscript:" + act, "blob:https://example.org/x", "file:///etc/passwd", "view-source:javascript:" + act,
		"https://example.org/\"onmouseover=\"" + act, "https://example.org/'onmouseover='" + act, "https://example.org/<img src=x onerror=" + act + ">", "http://<script>" + act + "</script>", "https://example.org/javascript:" + act, "https:javascript:" + act,
		"https://user:secret@evil.example/", "https://example.org@evil.example/", "http://[::1]:99999/", "https://", "http://%zz/", "https://example.org\u202e/moc.live//:sptth",
		"[x](javascript:" + act + ")", "<javascript:" + act + ">", "![x](x\" onerror=\"" + act + ")", "<https://example.org/>",
		"@import 'https://evil.example/x.css';", "url(https://evil.example/x.png)", "expression(" + act + ")", "}body{display:none}", "</svg>", "<!--", "-->", "<![CDATA[<script>" + act + "</script>]]>",
		"__proto__", "constructor", "toString", "hasOwnProperty", "then", "null", "undefined", "{\"type\":\"bye\"}", "\x00", "a\x00b", "\u001b[31mred\u001b[0m", "\u202eevil\u202c", "\u2066x", "\ufeff", "😀", strings.Repeat("A", 4000), strings.Repeat("\u0301", 300),
	}
	for _, tag := range []string{
		"img src=x onerror", "img src=x onload", "svg onload", "body onload", "iframe src=javascript:" + act + " onload", "video src=x onerror", "audio src=x onerror", "input autofocus onfocus", "details open ontoggle", "marquee onstart",
		"select autofocus onfocus", "object data=javascript:" + act + " onerror", "embed src=javascript:" + act + " onload", "link rel=stylesheet href=//evil.example/x onerror", "style onload", "meta http-equiv=refresh content=0;url=javascript:" + act + " x", "base href=//evil.example/ x", "form action=javascript:" + act + "><button formaction=javascript:" + act + " autofocus onfocus", "a href=javascript:" + act + " onmouseover", "math><mtext><img src=x onerror",
	} {
		all = append(all, "<"+tag+"="+act+">", "\"><"+tag+"=\""+act+"\">")
	}
	return all
}

// shownAs is a text as the page shows it: control characters visible.
func shownAs(text string, isLabel bool) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(text, "\r", "\n") {
		switch {
		case isLabel && (r == '\n' || r == '\t'):
			b.WriteByte(' ')
		case r < ' ' && r != '\n' && r != '\t':
			b.WriteRune(0x2400 + r)
		case r == 0xfeff, isLabel && (r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069):
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Nothing that people, or a server, can put into a text, a name, a room or a topic
// becomes anything but text.
func TestPageIsInert(t *testing.T) {
	bad := payloads()
	if len(bad) < 100 {
		t.Errorf("%d payloads", len(bad))
	}
	s := scripted{func(asked object, say func(...object)) {
		switch asked["type"] {
		case "hello":
			say(object{"type": "welcome", "version": 1, "server": "chatd on " + bad[0], "name": bad[1], "max_text": 4096, "room": "lobby", "motd": bad[2], "keeps": bad[3]})
			var people []object
			for _, p := range bad {
				people = append(people, object{"name": p})
			}
			say(object{"type": "joined", "room": "lobby", "topic": bad[4], "people": people, "after": object{"epoch": 1, "seq": 0}})
			for i, p := range bad {
				say(object{"type": "message", "room": "lobby", "epoch": 1, "seq": i + 1, "time": "2026-11-20T09:42:00.123Z", "from": p, "text": p, "id": p})
			}
			say(object{"type": "live", "room": "lobby", "epoch": 1, "seq": len(bad)})
			for _, p := range bad {
				say(
					object{"type": "notice", "room": "lobby", "text": p},
					object{"type": "presence", "room": "lobby", "event": "joined", "name": p, "text": p + " joined"},
					object{"type": "joined", "room": p, "topic": p, "people": []object{}, "after": object{"epoch": 1, "seq": 0}},
					object{"type": "live", "room": p, "epoch": 1, "seq": 0},
					object{"type": "direct", "from": p, "to": bad[1], "time": "2026-11-20T09:42:00.123Z", "text": p},
					object{"type": "error", "code": p, "text": p},
				)
			}
			say(object{"type": "gap", "room": "lobby", "first": 900, "last": 901, "missing": bad[0], "kept": true})
		case "rooms":
			var rooms []object
			for _, p := range bad {
				rooms = append(rooms, object{"room": p, "people": p, "topic": p, "spoken": p})
			}
			say(object{"type": "rooms", "rooms": rooms, "more": bad[0], "id": asked["id"]})
		case "search":
			var found []object
			for i, p := range bad {
				found = append(found, object{"type": "message", "room": "lobby", "epoch": 1, "seq": i + 1, "time": "2026-11-20T09:42:00.123Z", "from": p, "text": p})
			}
			say(object{"type": "messages", "room": "lobby", "messages": found, "id": asked["id"]})
		case "command":
			for _, p := range bad {
				say(object{"type": "notice", "text": p, "id": asked["id"]})
			}
			say(object{"type": "done", "id": asked["id"]})
		}
	}}
	p := s.page(t)
	rooms := make(map[string]bool)
	for _, b := range bad {
		rooms[b] = true
	}
	p.until(fmt.Sprintf(`document.querySelectorAll('#rooms li').length === %d && document.querySelectorAll('.message').length === %d`, len(rooms)+1, len(bad)))

	var want []string
	for _, b := range bad {
		want = append(want, shownAs(b, false))
	}
	p.shows(want...)
	var names []string
	for _, b := range bad {
		names = append(names, shownAs(b, true))
	}
	if diff := cmp.Diff(names, eval[[]string](p, `[...document.querySelectorAll('.message .name')].map(e => e.textContent)`)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	p.inert("the log")

	p.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector('#d-you').close()`), chromedp.Click(chromedp.CSS(`#browse`)))
	p.until(fmt.Sprintf(`document.querySelectorAll('#d-rooms-list li').length === %d`, len(bad)))
	p.inert("the rooms")
	p.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector('#d-rooms').close()`), chromedp.Click(chromedp.CSS(`#open-search`)))
	p.do(chromedp.SendKeys(chromedp.CSS(`#d-search input`), "x\r"))
	p.until(fmt.Sprintf(`document.querySelectorAll('#d-search-list li').length === %d`, len(bad)))
	p.inert("what was found")
	p.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector('#d-search').close()`))
	for i := range 3 { // whose names are markup
		p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void document.querySelectorAll('#people-list .go')[%d].click()`, i)))
		p.until(fmt.Sprintf(`document.querySelectorAll('#d-person-text p').length === %d`, len(bad)))
		p.inert("a person")
		p.do(chromedp.Evaluate[chromedp.Void](`void (document.querySelector('#d-person').close(), document.querySelector('#d-person-text').replaceChildren())`))
	}
	for i := 1; i <= len(rooms); i += 7 {
		p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`void document.querySelectorAll('#rooms .go')[%d].click()`, i)))
		p.until(fmt.Sprintf(`document.querySelectorAll('#rooms .go')[%d].hasAttribute('aria-current')`, i))
	}
	p.inert("the rooms one by one")
}

// inert checks that the page has only elements of its own and links that lead
// elsewhere safely, and that nothing of another's was run.
func (p *page) inert(where string) {
	p.t.Helper()
	strange := eval[[]string](p, `(() => {
		const known = new Set('HTML HEAD META TITLE LINK SCRIPT BODY NOSCRIPT A DIV NAV HEADER IMG H1 H2 H3 BDI BUTTON UL OL LI SPAN MAIN P FORM TEXTAREA ASIDE DIALOG LABEL INPUT TIME svg symbol path circle rect use'.split(' '))
		const strange = []
		for (const e of document.querySelectorAll('*')) {
			if (!known.has(e.tagName)) strange.push('element ' + e.outerHTML)
			for (const a of e.attributes) if (a.name.startsWith('on')) strange.push('handler ' + e.outerHTML)
			if (e.tagName === 'SCRIPT' && e.src !== location.origin + '/main.js') strange.push('script ' + e.outerHTML)
			if (e.tagName === 'IMG' && e.src !== location.origin + '/icon.svg') strange.push('image ' + e.outerHTML)
			if (e.tagName === 'A' && !e.matches('.skip')) {
				const {protocol, username, password} = new URL(e.href)
				if (!/^https?:$/.test(protocol) || username || password) strange.push('address ' + e.outerHTML)
				if (!/noopener/.test(e.rel) || !/noreferrer/.test(e.rel) || e.referrerPolicy !== 'no-referrer' || e.target !== '_blank') strange.push('link ' + e.outerHTML)
				if (/[\u202a-\u202e\u2066-\u2069]/.test(e.textContent)) strange.push('turned around ' + e.outerHTML)
			}
		}
		if (window.harmed !== undefined) strange.push('harmed')
		for (const e of performance.getEntriesByType('resource')) {
			if (!e.name.startsWith(location.origin) && !e.name.startsWith('about:')) strange.push('fetched ' + e.name)
		}
		return strange
	})()`)
	if len(strange) > 0 {
		p.t.Errorf("%s: %q", where, strange)
	}
}

// The browser itself refuses what the page would never do.
func TestPagePolicyHolds(t *testing.T) {
	p := scripted{func(object, func(...object)) {}}.page(t)
	p.until(`document.querySelector('#text')`)
	p.mayComplain.Store(true)
	for what, script := range map[string]string{
		"markup":             `document.body.innerHTML = '<b id=harm>x</b>'`,
		"a script in it":     `{ const s = document.createElement('script'); s.textContent = 'window.harmed = 1'; document.body.append(s) }`,
		"another's script":   `{ const s = document.createElement('script'); s.src = 'http://127.0.0.2/x.js'; document.body.append(s) }`,
		"a text that runs":   `setTimeout('window.harmed = 1', 0)`,
		"another's image":    `{ const i = document.createElement('img'); i.src = 'http://127.0.0.2/x.png' }`,
		"another's style":    `{ const l = document.createElement('link'); l.rel = 'stylesheet'; l.href = 'http://127.0.0.2/x.css'; document.head.append(l) }`,
		"a style of its own": `document.body.setAttribute('style', 'color: red')`,
		"another's address":  `fetch('http://127.0.0.2/').catch(() => {})`,
		"another's chat":     `new WebSocket('ws://127.0.0.2/ws')`,
		"a frame":            `{ const f = document.createElement('iframe'); f.src = '/'; document.body.append(f) }`,
		"a form":             `{ const f = document.createElement('form'); f.action = 'http://127.0.0.2/'; document.body.append(f); f.submit() }`,
	} {
		if got := eval[string](p, `new Promise(done => {
			document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective), {once: true})
			try { `+script+` } catch (e) { done(e.name) }
		})`, chromedp.EvalAwaitPromise); got == "" {
			t.Errorf("%s is not refused", what)
		}
	}
	if eval[bool](p, `window.harmed !== undefined || document.querySelector('#harm') !== null || location.pathname !== '/'`) {
		t.Error("harm was done")
	}
}

// A gap is told, and what is kept of it is fetched and stands in its place.
func TestPageFillsGaps(t *testing.T) {
	message := func(seq int) object {
		return object{"type": "message", "room": "lobby", "epoch": 1, "seq": seq, "time": "2026-11-20T09:42:00.123Z", "from": "ana", "text": fmt.Sprint("number ", seq)}
	}
	s := scripted{func(asked object, say func(...object)) {
		switch asked["type"] {
		case "hello":
			say(
				object{"type": "welcome", "version": 1, "server": "x", "name": "guest1", "max_text": 4096, "room": "lobby"},
				object{"type": "joined", "room": "lobby", "people": []object{}, "after": object{"epoch": 1, "seq": 0}},
				message(1), message(2),
				object{"type": "gap", "room": "lobby", "first": 3, "last": 6, "missing": 4, "kept": true},
				message(7),
				object{"type": "gap", "room": "lobby", "first": 8, "last": 8, "missing": 1},
				message(9), message(7), message(9), // which no server says twice
				object{"type": "live", "room": "lobby", "epoch": 1, "seq": 9},
				message(10),
				object{"type": "reset", "room": "lobby", "epoch": 2, "after": object{"epoch": 1, "seq": 10}, "text": "messages after that may be lost"},
				object{"type": "message", "room": "lobby", "epoch": 2, "seq": 1001, "time": "2026-11-20T09:42:00.123Z", "from": "ana", "text": "number 1001"},
			)
		case "history":
			page := []object{}
			if after, ok := asked["after"].(float64); ok {
				for seq := int(after) + 1; seq <= 10 && len(page) < 3; seq++ {
					page = append(page, message(seq))
				}
			}
			say(object{"type": "messages", "room": "lobby", "messages": page, "id": asked["id"]})
		}
	}}
	p := s.page(t)
	p.sees("number 1001")
	p.shows("number 1", "number 2", "number 7", "number 9", "number 10", "number 1001")
	if gaps := eval[[]string](p, `[...document.querySelectorAll('.gap')].map(e => e.textContent)`); len(gaps) != 2 ||
		gaps[0] != "4 messages are missing here Show" || gaps[1] != "One message is missing here" {
		t.Errorf("%q", gaps)
	}
	p.do(chromedp.Evaluate[chromedp.Void](`void (document.querySelector('#d-you').close(), document.querySelector('.gap button').click())`))
	p.until(`document.querySelectorAll('.gap').length === 1`)
	p.shows("number 1", "number 2", "number 3", "number 4", "number 5", "number 6", "number 7", "number 9", "number 10", "number 1001")
}
