package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stable are the fields that other programs may rely on. More may come.
const stable = `
proto conns group stalled slow senders size window rate idle
connect_seconds join_seconds seconds
messages deliveries deliveries_per_second deliveries_per_read bytes_per_second own_heard
lost lost_untold repeated reordered strayed torn closed
slow_deliveries slow_missed slow_untold told_skipped
latency_p50_us latency_p99_us latency_p999_us latency_max_us
server_cpu_seconds server_cpu_per_delivery_ns server_cpu_per_message_ns server_cpu_share
server_instructions_per_delivery server_user_instructions_per_delivery server_cycles_per_delivery load_cpu_share
server_memory_before server_memory_before.rss server_memory_before.rss_peak server_memory_before.pss
server_memory server_memory.rss server_memory.rss_peak server_memory.pss
server_rss_per_client server_rss_after
error notice set
`

func TestFields(t *testing.T) {
	var names []string
	eachField(reflect.TypeFor[result](), "", func(name, desc string) {
		names = append(names, name)
		if desc == "" {
			t.Errorf("%s is not described", name)
		}
	})
	if diff := cmp.Diff(strings.Fields(stable), names); diff != "" {
		t.Errorf("wanted (-), described (+):\n%s", diff)
	}

	// What is described is what is written.
	b, err := json.Marshal(result{MemoryBefore: &memory{}, Memory: &memory{}, SettledRSS: 1, Error: "e", Notice: "n", Set: "s"})
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(b, &object); err != nil {
		t.Fatal(err)
	}
	var written []string
	for name, v := range object {
		written = append(written, name)
		if inner, ok := v.(map[string]any); ok {
			for n := range maps.Keys(inner) {
				written = append(written, name+"."+n)
			}
		}
	}
	slices.Sort(written)
	slices.Sort(names)
	if diff := cmp.Diff(names, written); diff != "" {
		t.Errorf("described (-), written (+):\n%s", diff)
	}

	var out strings.Builder
	if code := command([]string{"-fields"}, &out, &out); code != 0 || strings.Count(out.String(), "\n") != len(names) {
		t.Errorf("exit status %d, %s", code, out.String())
	}
}
