package rig

import "testing"

func TestReadBenchmarks(t *testing.T) {
	const out = `goos: linux
cpu: Z80
BenchmarkSlices/one/whole-2         	       1	        12.5 p50-ms	        27.1 p99-ms
BenchmarkBare 	  300 	 17482 ns/op	 57201 messages/s
PASS
`
	all, err := ReadBenchmarks([]byte(out))
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if b := all[0]; b.Name != "Slices/one/whole" || b.Figures["p50-ms"] != 12.5 || b.Figures["p99-ms"] != 27.1 || len(b.Figures) != 2 {
		t.Errorf("%+v", b)
	}
	if b := all[1]; b.Name != "Bare" || b.Figures["messages/s"] != 57201 {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"PASS\n", "BenchmarkX-2 1 many ns/op\n"} {
		if all, err := ReadBenchmarks([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, all)
		}
	}
}
