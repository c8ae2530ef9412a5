package rig

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   Spread
		want float64
	}{
		{Spread{3}, 3},
		{Spread{9, 1, 5}, 5},
		{Spread{4, 1, 2, 100}, 3},
	} {
		before := slices.Clone(c.of)
		if got := c.of.Median(); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.of, got, c.want)
		}
		if !slices.Equal(c.of, before) {
			t.Errorf("%v became %v", before, c.of)
		}
	}
	if got := (Spread{}).Median(); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v", got)
	}
}

// TestRatios holds that only runs of one round are compared, whatever their order,
// and that rounds which one side lacks do not count.
func TestRatios(t *testing.T) {
	runs := Runs{
		{Server: "chatd", Round: 2, Load: "l", CPUPerDelivery: 300},
		{Server: "floor", Round: 1, Load: "l", CPUPerDelivery: 100},
		{Server: "chatd", Round: 1, Load: "l", CPUPerDelivery: 110},
		{Server: "floor", Round: 2, Load: "l", CPUPerDelivery: 200},
		{Server: "chatd", Round: 3, Load: "l", CPUPerDelivery: 999},
		{Server: "chatd", Round: 4, Load: "l", CPUPerDelivery: 400, Error: "nothing has moved"},
		{Server: "floor", Round: 4, Load: "l", CPUPerDelivery: 1},
		{Server: "floor", Round: 3, Load: "other", CPUPerDelivery: 1},
	}
	got := runs.Of("chatd", "l").Ratios(runs.Of("floor", "l"), CPU)
	if want := (Spread{1.5, 1.1}); !slices.Equal(got, want) {
		t.Errorf("ratios %v, want %v", got, want)
	}
	if got := runs.Of("chatd", "l").Ratios(runs.Of("floor", "l"), Instructions); len(got) > 0 {
		t.Errorf("ratios %v of what was not counted", got)
	}
}

func TestConns(t *testing.T) {
	for load, want := range map[string]int{
		"-conns 100 -window 64": 100, "--conns 5": 5, "-rate 5 -conns 7": 7, "-idle": 0, "-conns": 0, "": 0,
	} {
		if got := Conns(load); got != want {
			t.Errorf("%q has %d connections, want %d", load, got, want)
		}
	}
}

func TestJobs(t *testing.T) {
	there := []Server{{Name: "any"}, {Name: "small", Most: 1000}}
	var got []string
	for _, j := range Jobs(there, "-conns 1000", "-conns 1001 -idle") {
		got = append(got, j.Server.Name+" "+j.Load)
	}
	if want := []string{"any -conns 1000", "small -conns 1000", "any -conns 1001 -idle"}; !slices.Equal(got, want) {
		t.Errorf("jobs %q, want %q", got, want)
	}
}

// TestKeeping holds that chatd with its history on disk is chatd, and no other.
func TestKeeping(t *testing.T) {
	r := Rig{Chatd: "DIR/another PORT"}
	for _, s := range []Server{Keeping(), Servers()[1]} {
		s.build = nil
		if _ = r.Prepare(t.Context(), &s); s.command != r.Chatd {
			t.Errorf("%s is started by %q", s.Name, s.command)
		}
	}
	if k := Keeping(); !slices.Contains(k.env, "CHATD_DATA=DIR/history-PORT") || slices.Contains(Servers()[1].env, "CHATD_DATA=DIR/history-PORT") {
		t.Errorf("the environment is %q", k.env)
	}
}
