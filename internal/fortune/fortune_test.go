package fortune

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// told is what one round of n fortunes brings, in order.
func told(t *Teller, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = t.Tell()
	}
	return all
}

func TestNeverTheSameTwiceRunning(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		var fortunes []string
		for i := range n {
			fortunes = append(fortunes, fmt.Sprint("fortune ", i))
		}
		var teller Teller
		teller.Use(fortunes)
		const rounds = 3000
		times, last := make(map[string]int), ""
		for _, one := range told(&teller, rounds) {
			if one == last {
				t.Fatalf("of %d, %q is told twice running", n, one)
			}
			times[one]++
			last = one
		}
		// 3,000 draws of one in ten or more are 300, give or take 16; six times that
		// is never seen.
		for _, one := range fortunes {
			if least := rounds / n * 2 / 3; times[one] < least {
				t.Errorf("of %d, %q is told %d times in %d", n, one, times[one], rounds)
			}
		}
	}
}

func TestOneFortuneIsToldAgain(t *testing.T) {
	var teller Teller
	teller.Use([]string{"the only one"})
	for _, one := range told(&teller, 3) {
		if one != "the only one" {
			t.Errorf("%q is told", one)
		}
	}
}

// The first one after a change of the file is no repeat either.
func TestUseRepeatsNothing(t *testing.T) {
	var teller Teller
	for range 200 {
		teller.Use([]string{"a", "b"})
		last := teller.Tell()
		teller.Use([]string{"c", "b", "a"})
		if one := teller.Tell(); one == last {
			t.Fatalf("%q is told again", one)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	var teller Teller
	for _, one := range told(&teller, 100) {
		if !slices.Contains(builtIn[:], one) {
			t.Errorf("%q is told", one)
		}
	}
	teller.Use([]string{"another"})
	if one := teller.Tell(); one != "another" {
		t.Errorf("%q is told", one)
	}
	teller.Use(nil)
	if one := teller.Tell(); !slices.Contains(builtIn[:], one) {
		t.Errorf("%q is told", one)
	}
	for i, one := range builtIn {
		if len(one) > 79 || slices.Contains(builtIn[:i], one) {
			t.Errorf("%q is too long for a line, or there twice", one)
		}
		if parsed, err := Parse(one); err != nil || len(parsed) != 1 || parsed[0] != one {
			t.Errorf("from a file, %q would be %q, %v", one, parsed, err)
		}
	}
}

// Many ask at once, and the file changes meanwhile.
func TestTellAtOnce(t *testing.T) {
	var teller Teller
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for i, one := range told(&teller, 200) {
				if one == "" {
					t.Error("nothing is told")
				}
				if i%50 == 0 {
					teller.Use([]string{"a", "b"})
				}
			}
		})
	}
	asking.Wait()
}
