package main

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/chatd/chatd/internal/near"
)

// setting is one variable as the tags of config describe it.
type setting struct {
	name  string // of the variable
	field string // of config
	typ   reflect.Type

	group         string // set on every one of a group
	fallback      string // the default as one would write it, or empty
	fallbackWords string // the default in words where fallback is empty
	desc, more    string
	min, max      string
	off           string
	of            []string
	example       string
}

// settings are all variables in the order of config.
func settings() []setting {
	var all []setting
	group := ""
	for f := range reflect.TypeFor[config]().Fields() {
		name, tagged := f.Tag.Lookup("env")
		if !tagged {
			continue
		}
		if g := f.Tag.Get("group"); g != "" {
			group = g
		}
		s := setting{
			name:          name,
			field:         f.Name,
			typ:           f.Type,
			group:         group,
			fallback:      f.Tag.Get("envDefault"),
			fallbackWords: f.Tag.Get("default"),
			desc:          f.Tag.Get("desc"),
			more:          f.Tag.Get("more"),
			min:           f.Tag.Get("min"),
			max:           f.Tag.Get("max"),
			off:           f.Tag.Get("off"),
			example:       f.Tag.Get("example"),
		}
		if of := f.Tag.Get("of"); of != "" {
			s.of = strings.Split(of, ",")
		}
		all = append(all, s)
	}
	return all
}

// judge says what is wrong with v, a value of the setting's type, as the
// continuation of a sentence.
func (s setting) judge(v reflect.Value) error {
	if len(s.of) > 0 && !slices.Contains(s.of, v.String()) {
		return fmt.Errorf("is none of %s", strings.Join(s.of, ", "))
	}
	if s.max == "" {
		return nil
	}
	n := number(v)
	switch {
	case n == 0 && s.off != "":
		return nil
	case n == 0:
		return errors.New("cannot be switched off; it can be " + s.values())
	case n < number(s.value(s.min)):
		return errors.New("is too small; it can be " + s.values())
	case n > number(s.value(s.max)):
		return errors.New("is too large; it can be " + s.values())
	}
	return nil
}

// values are the values the setting can have, in words, or empty if these would
// say nothing.
func (s setting) values() string {
	switch {
	case len(s.of) > 0:
		return strings.Join(s.of, ", ")
	case s.typ == reflect.TypeFor[onOff]():
		return "on or off"
	case s.max == "":
		return ""
	}
	least := s.min
	if least == "" {
		least = "1"
	}
	text := least + " to " + s.max
	if s.off != "" {
		text += "; 0 or off: " + s.off
	}
	return text
}

// value is text, from a tag, as a value of the setting's type.
func (s setting) value(text string) reflect.Value {
	v := reflect.New(s.typ)
	if text != "" {
		// The tags are right: a test reads each of them.
		_ = v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}
	return v.Elem()
}

// number makes values of all the types that have limits comparable. None of
// their limits needs more than the 53 bits that are exact.
func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// nearest is the one of names that differs from word by the fewest typing
// mistakes, if that is near enough to be meant: one mistake for every three
// letters after the first skip, which all names share.
func nearest(word string, skip int, names []string) string {
	best, least := "", max(1, (len(word)-skip)/3)+1
	for _, name := range names {
		if d := near.Distance(word, name); d < least {
			best, least = name, d
		}
	}
	return best
}
