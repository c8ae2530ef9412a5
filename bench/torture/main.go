// Command torture runs the tests of the faults of docs/faults.md in their full
// size, one row after the other, and ends with one report: what was measured of
// each row, what it may be, and whether that held. The tests say so themselves
// (internal/figure); a row of which nothing was measured has not held, however
// well its tests went.
//
//	go run ./bench/torture                 all rows, docs/torture.md and README.md
//	go run ./bench/torture -rows 11,18     these, and nothing is written
//
// The exit status is 0 only if every row was run and held.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	rows   string        // the numbers of those to run; "": all
	soak   time.Duration // how long everything happens at once
	seeds  time.Duration // how long months are simulated, each with another seed
	report string        // file that the whole report is written to
	readme string        // file whose table is replaced
}

func main() {
	var o options
	flag.StringVar(&o.rows, "rows", "", "run these `ROWS` only, such as 1,11,34, and write nothing")
	flag.DurationVar(&o.soak, "soak", 10*time.Minute, "how long everything happens at once (row 34)")
	flag.DurationVar(&o.seeds, "seeds", 3*time.Minute, "how long months are simulated, each with another seed (row 34)")
	flag.StringVar(&o.report, "report", "docs/torture.md", "`FILE` the report is written to")
	flag.StringVar(&o.readme, "readme", "README.md", "`FILE` that has the short table, if it has its marks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	held, err := torture(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

// torture runs the rows and reports; held is whether every row was run and held.
func torture(ctx context.Context, o options) (held bool, err error) {
	rows, err := o.chosen()
	if err != nil {
		return false, err
	}
	r := &report{begun: time.Now().UTC(), machine: machineHere(), commit: commitHere(ctx), command: command(os.Args[1:])}
	for _, row := range rows {
		v := run(ctx, row)
		r.verdicts = append(r.verdicts, v)
		fmt.Println(v.line())
		for _, what := range v.output {
			fmt.Println("\t" + what)
		}
	}
	r.took = time.Since(r.begun)
	fmt.Print("\n", r.table(), "\n", r.sum(), "\n")
	if o.rows == "" {
		err = r.write(o)
	}
	return r.held(), err
}

// chosen are the rows to run.
func (o options) chosen() (rows []row, err error) {
	all := plan(o)
	if o.rows == "" {
		return all, nil
	}
	for number := range strings.SplitSeq(o.rows, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(number))
		i := slices.IndexFunc(all, func(r row) bool { return r.n == n })
		if err != nil || i < 0 {
			return nil, fmt.Errorf("there is no row %q to run", number)
		}
		rows = append(rows, all[i])
	}
	return rows, nil
}

// command is how this run is repeated.
func command(args []string) string {
	if len(args) == 0 {
		return "make torture"
	}
	return "make torture TORTURE=\"" + strings.Join(args, " ") + "\""
}
