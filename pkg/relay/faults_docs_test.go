package relay

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testsIn returns the names of the tests in a folder.
func testsIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllSubmatch(source, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names
}

// What docs/faults.md names is there, and it names every test of a fault.
func TestFaultsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	tests := make(map[string][]string) // by folder
	for _, m := range regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(doc), -1) {
		named[m[0]] = true
		if tests[m[1]] == nil {
			tests[m[1]] = testsIn(t, m[1])
		}
		if !slices.Contains(tests[m[1]], m[2]) {
			t.Errorf("%s is named, but not there", m[0])
		}
	}
	for _, m := range regexp.MustCompile("`([a-z/]+/testdata/[a-z.]+)`").FindAllStringSubmatch(string(doc), -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, name := range tests["pkg/relay"] {
		if regexp.MustCompile(`^TestFault\d`).MatchString(name) && !named["`pkg/relay."+name+"`"] {
			t.Errorf("%s is not named", name)
		}
	}
	if rows := strings.Count(string(doc), "\n| "); rows < 30 {
		t.Errorf("only %d rows were found", rows)
	}
}
