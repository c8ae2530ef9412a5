package main

import (
	"maps"
	"strings"
	"testing"
)

func TestEnvironmentFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]environment{
		"":                       {},
		"A=b":                    {"A": "b"},
		"# A=a\n ; B=b\n\nC=c\n": {"C": "c"},
		"A=a b  \nB=\t b\r\n":    {"A": "a b", "B": "b"},
		"A=\nB=b":                {"A": "", "B": "b"},
		`A=" a # b "`:            {"A": " a # b "},
		`A='a\n "b"'`:            {"A": `a\n "b"`},
		`A="a \"b\" \$c \d"`:     {"A": `a "b" $c \d`},
		"A=a\\\nb\nB=b":          {"A": "ab", "B": "b"},
		"A=\"a\nb\"\nB=b":        {"A": "a\nb", "B": "b"},
		`A="a" 'b' c`:            {"A": "abc"},
		`A=it's # not a comment`: {"A": "it's # not a comment"},
		`A=tcp://:7?a=b&c=d`:     {"A": "tcp://:7?a=b&c=d"},
		"# a \\\nA=a\nB=b":       {"B": "b"},
		"A = b":                  {"A": "b"},
		"A=a\nA=b":               {"A": "b"},
		`A=a\ `:                  {"A": "a "},
	} {
		got, wrong := parseEnvironmentFile(text)
		if !maps.Equal(got, want) || len(wrong) > 0 {
			t.Errorf("%q is %q with %q, want %q", text, got, wrong, want)
		}
	}
	got, wrong := parseEnvironmentFile("export A=a\nB b\n2=c\nD=d\n=e\nF")
	if !maps.Equal(got, environment{"D": "d"}) || strings.Join(wrong, "\n") != strings.TrimSpace(`
line 1: systemd passes over a line with export; remove the word
line 2: "B b" has no =; systemd passes over it
line 3: "2" is no name of a variable; systemd passes over it
line 5: "" is no name of a variable; systemd passes over it
line 6: "F" has no =; systemd passes over it`) {
		t.Errorf("got %q with %q", got, wrong)
	}
}

// Whatever it holds, all of it is read, and what is read can be written again.
func FuzzEnvironmentFile(f *testing.F) {
	f.Add("A=b\n# c\nexport D=\"e \\\" f\"\n'x\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, _ := parseEnvironmentFile(text)
		var again strings.Builder
		for name, value := range set {
			again.WriteString(name + "=\"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`).Replace(value) + "\"\n")
		}
		if got, wrong := parseEnvironmentFile(again.String()); !maps.Equal(got, set) || len(wrong) > 0 {
			t.Errorf("%q is %q, and written again %q with %q", text, set, got, wrong)
		}
	})
}
