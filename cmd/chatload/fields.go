package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// writeFields lists the fields of the JSON report and what they mean.
func writeFields(w io.Writer) {
	eachField(reflect.TypeFor[result](), "", func(name, desc string) {
		fmt.Fprintf(w, "%-38s %s\n", name, desc)
	})
}

// eachField calls f for each field of a struct that is in its JSON, and after a
// struct for those in it.
func eachField(t reflect.Type, before string, f func(name, desc string)) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		f(before+name, field.Tag.Get("desc"))
		if field.Type.Kind() == reflect.Pointer {
			eachField(field.Type.Elem(), before+name+".", f)
		}
	}
}
