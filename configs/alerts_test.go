package configs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// promtool runs it, from where it is installed or tools/promtool.sh has put it.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		program = "../.cache/promtool/promtool"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("promtool is missing; tools/promtool.sh fetches it")
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The alerts are such as Prometheus takes, silent where all is well, and fire where it
// is not.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "prometheus-alerts.yml")
	promtool(t, "test", "rules", "prometheus-alerts.test.yml")
}

// Every alert is one that the tests have seen firing, and tells what it is about.
func TestEveryAlertIsTried(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("prometheus-alerts.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(rules), "      - alert: ")[1:]
	if len(alerts) < 10 {
		t.Fatalf("found only %d alerts", len(alerts))
	}
	for _, a := range alerts {
		name, _, _ := strings.Cut(a, "\n")
		if !strings.Contains(string(tests), `{labels: '{alertname="`+name+`"}', value: 1}`) {
			t.Errorf("no test has %s fire", name)
		}
		for _, want := range []string{`labels: \{severity: (page|ticket)\}`, `summary: .*\$labels\.instance`, `description: .{20}`} {
			if !regexp.MustCompile(want).MatchString(a) {
				t.Errorf("%s has nothing like %s", name, want)
			}
		}
	}
}
