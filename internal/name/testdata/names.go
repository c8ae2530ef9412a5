//go:build ignore

// Command names prints names.txt from the Unicode CLDR as Debian packages it:
//
//	apt-get install unicode-cldr-core
//	go run testdata/names.go > testdata/names.txt
//
// It takes the names of cities, countries and languages in each of the locales
// below, cut into words of letters and marks by Unicode category alone, and from
// each locale the same share, spread evenly over its words.
package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	folder = "/usr/share/unicode/cldr/common/main"
	share  = 36 // words of each locale; fewer where it has fewer
	total  = 2000

	joiners = "\u200c\u200d"
)

var locales = strings.Fields(`
	am ar as be bg bn bo brx ccp chr cs cy de dz el en es eu fa ff_Adlm fi fr
	gu haw he hi hr hu hy ig ii is ja ka kk km kn ko kok ks lo lt lv mk ml mni
	mr my ne or pa pl ps pt qu ro ru sat sd shi si sr ta te th ti to tr tzm ug
	uk ur vai vi yi yo yue yue_Hans zgh zh zh_Hant az fo ga mt sah`)

type ldml struct {
	Cities    []string `xml:"dates>timeZoneNames>zone>exemplarCity"`
	Countries []string `xml:"localeDisplayNames>territories>territory"`
	Languages []string `xml:"localeDisplayNames>languages>language"`
}

func main() {
	version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "unicode-cldr-core").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "names: apt-get install unicode-cldr-core:", err)
		os.Exit(1)
	}
	seen := map[string]bool{}
	var out []string
	for _, locale := range locales {
		data, err := os.ReadFile(folder + "/" + locale + ".xml")
		if err != nil {
			fmt.Fprintln(os.Stderr, "names: skipped:", err)
			continue
		}
		var l ldml
		if err := xml.Unmarshal(data, &l); err != nil {
			fmt.Fprintf(os.Stderr, "names: %s: %v\n", locale, err)
			os.Exit(1)
		}
		var words []string
		for _, list := range [][]string{l.Cities, l.Countries, l.Languages} {
			for _, name := range list {
				for _, w := range strings.FieldsFunc(name, func(r rune) bool { return !inWord(r) }) {
					w = strings.Trim(w, joiners) // at a word's end they join nothing
					n := utf8.RuneCountInString(w)
					if n >= 2 && n <= 32 && !seen[w] {
						seen[w] = true
						words = append(words, w)
					}
				}
			}
		}
		n := min(share, len(words))
		for i := range n {
			out = append(out, words[i*len(words)/n])
		}
		fmt.Fprintln(os.Stderr, locale, len(words), n)
	}
	if len(out) > total {
		// Thin them out evenly rather than lose the last locales.
		thin := make([]string, total)
		for i := range thin {
			thin[i] = out[i*len(out)/total]
		}
		out = thin
	}
	fmt.Printf(`# %d names that must be allowed as they are: words from names of cities,
# countries and languages.
# Source: Debian package unicode-cldr-core %s, folder common/main.
# Copyright (c) 1991-2022 Unicode, Inc. Licence: Unicode-DFS-2016, see names.LICENSE.
# Made by: go run testdata/names.go (words chosen by Unicode category: L, M, joiners within).
# Locales: %s
`, len(out), version, strings.Join(locales, " "))
	for _, w := range out {
		fmt.Println(w)
	}
}

func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) || strings.ContainsRune(joiners, r)
}
