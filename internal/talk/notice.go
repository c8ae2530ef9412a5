package talk

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// fact is that somebody came or went.
type fact struct {
	name string // "": somebody
	verb string // joined, left, left (idle), is gone (connection lost)
	// loosely: of several people told in one line it is only said that they left.
	loosely bool
}

var (
	noticeForm = regexp.MustCompile(`^\* (?:(\S.*?) (joined)(?:, |$))?(?:(\S.*?) ((?:left|is gone)(?: \([^)]*\))?)(?:; the rest of what .* was not said)?)?$`)
	nameList   = regexp.MustCompile(`, | and `)
	// newName tells somebody that a name is theirs before a notice tells all.
	newName = regexp.MustCompile(`^\* you are \S+$`)
	// newDay is the line between two days.
	newDay = regexp.MustCompile(`^\* (Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day \d+ [A-Z][a-z]+ \d+$`)
)

// parseNotice returns who came and went according to a line; nobody if it is
// another kind of line.
func parseNotice(line string) []fact {
	m := noticeForm.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	came, ok1 := people(m[1], m[2])
	went, ok2 := people(m[3], m[4])
	if !ok1 || !ok2 {
		return nil
	}
	facts := append(came, went...)
	for i := range facts {
		facts[i].loosely = len(facts) > 1
	}
	return facts
}

// people reads "ana", "ana and bob", "ana, bob and eve" or "14".
func people(list, verb string) (facts []fact, ok bool) {
	if list == "" {
		return nil, true
	}
	if n, err := strconv.Atoi(list); err == nil {
		return slices.Repeat([]fact{{verb: verb}}, n), true
	}
	for _, name := range nameList.Split(list, -1) {
		if strings.Contains(name, " ") {
			return nil, false
		}
		facts = append(facts, fact{name: name, verb: verb})
	}
	return facts, true
}

// shows tells whether f is what a notice about one person says.
func (f fact) shows(expected fact) bool {
	if f.name != "" && f.name != expected.name {
		return false
	}
	return f.verb == expected.verb || f.loosely && f.verb == "left" && expected.verb != "joined"
}

// skippable tells whether a line has no place in the order.
func skippable(line string) bool {
	return parseNotice(line) != nil || newDay.MatchString(line) || newName.MatchString(line)
}

// knows tells, once, whether who has seen in passing that a fact is so.
func (who *person) knows(expected fact) bool {
	i := slices.IndexFunc(who.passed, func(f fact) bool { return f.shows(expected) })
	if i < 0 {
		return false
	}
	who.passed = slices.Delete(who.passed, i, i+1)
	return true
}
