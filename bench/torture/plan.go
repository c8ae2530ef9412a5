package main

import (
	"fmt"
	"time"
)

// row is a fault of docs/faults.md, and the tests that hold its figures.
type row struct {
	n     int
	fault string
	steps []step

	together bool // its steps run at once: none of them measures time
}

// step is one run of `go test`.
type step struct {
	pkg   string   // from the module's root
	tests []string // each has to tell a figure of the row
	race  bool
	env   []string
	lasts time.Duration // that it is told to take, besides what it needs

	// needs looks whether this machine and user can do what the tests do; the
	// error says what is missing.
	needs func() error

	// seeds repeats the step for so long, each time with the next seed in
	// CHATD_SEED. What has begun is finished; 0 runs it once, without a seed.
	seeds time.Duration
}

// of is a step that needs and repeats nothing.
func of(pkg string, tests ...string) step { return step{pkg: pkg, tests: tests} }

// plan is every row that is run in full, in its order.
func plan(o options) []row {
	return []row{
		{n: 1, fault: "readers stop reading", steps: []step{
			of("pkg/relay", "TestFault1StalledReadersDelayNobody", "TestFault1StalledReadersCostLittle", "TestFault1StalledReadersGoOn", "TestPausedReader"),
		}},
		{n: 2, fault: "an endless line, a paste of 1 GiB, a binary file", steps: []step{
			of("pkg/relay", "TestFault2EndlessLine", "TestFault2UnreadInputIsLeftToTheKernel", "TestFault2BinaryFileAsText"),
		}},
		{n: 8, fault: "a flooder writes as fast as it can", steps: []step{of("pkg/relay", "TestFault8Flooder")}},
		{n: 9, fault: "the limit of open files is reached", steps: []step{
			of("cmd/chatd", "TestServerIsFull", "TestNoDescriptorIsLeft"),
		}},
		{n: 10, fault: "200 connections from one address, 5,000 from many", steps: []step{
			of("pkg/relay", "TestFault10ManyFromOneAddress", "TestFault10ManyFromManyAddresses"),
		}},
		{n: 11, fault: "a peer vanishes: cable, NAT, lid", steps: []step{
			{pkg: "cmd/chatd", tests: []string{"TestVanishedPeers"}, needs: namespaces},
			of("pkg/relay", "TestPausedReader"),
		}},
		{n: 12, fault: "kicked or refused with unread input", steps: []step{
			of("pkg/relay", "TestFault12LastWords", "TestFault12Refusals"),
		}},
		{n: 13, fault: "a command panics", steps: []step{of("pkg/relay", "TestPanicInACommand")}},
		{n: 14, fault: "storms of people who come, speak and leave, and of resets", steps: []step{
			{pkg: "pkg/relay", tests: []string{"TestFault14Storms"}, race: true},
			of("pkg/relay", "TestStormOfArrivals"),
		}},
		{n: 18, fault: "`kill -9` while history is written", steps: []step{
			of("internal/store", "TestKilled", "TestSyncedBeforeStored"),
		}},
		{n: 19, fault: "the disk is full, or stalls for 5 s", steps: []step{
			of("internal/store", "TestFault19StalledDisk", "TestFault19FullDisk", "TestDiskFull"),
		}},
		{n: 20, fault: "two servers on one folder, a newer or a foreign file", steps: []step{
			of("cmd/chatd", "TestOneServerAFolder"),
			of("internal/store", "TestSecondServerIsRefused", "TestNewerFormatIsLeftAlone", "TestForeignDatabaseIsLeftAlone", "TestFolderIsUnusable"),
		}},
		{n: 21, fault: "the path of a Unix socket is taken", steps: []step{
			of("cmd/chatd", "TestPlaceIsTaken"),
			of("internal/listen", "TestStaleSocketIsReplaced", "TestLiveSocketIsRefusedWithItsPid", "TestWhatIsNoSocketIsLeftAlone", "TestSocketIsBornPrivate"),
		}},
		{n: 22, fault: "a mistake in the environment", steps: []step{
			of("cmd/chatd", "TestBadValues", "TestMistakesAreToldAtOnce", "TestBadConfigurationBindsNothing"),
		}},
		{n: 27, fault: "a server full of silent ones, and of stuck handshakes", steps: []step{
			of("pkg/relay", "TestFault27Drippers", "TestFault27StuckHandshakes"),
		}},
		{n: 28, fault: "100 who ask, or make rooms, again and again", steps: []step{
			of("pkg/relay", "TestFault28Askers", "TestFault28RoomExplosion"),
		}},
		{n: 29, fault: "the server is stopped", steps: []step{of("pkg/relay", "TestFault29Stop")}},
		{n: 30, fault: "the clock is set an hour forth or back", steps: []step{of("pkg/relay", "TestClockSteps")}},
		{n: 31, fault: "who reads the log stops", steps: []step{of("pkg/relay", "TestFault31BlockedLogDelaysNobody")}},
		{n: 32, fault: "a room no longer answers", steps: []step{
			of("pkg/relay", "TestProbe"),
			of("cmd/chatd", "TestWatchdogOfARoomThatIsStuck"),
		}},
		{n: 34, fault: "everything at once, for long", together: true, steps: []step{
			{
				pkg: "pkg/relay", tests: []string{"TestEverythingAtOnce"},
				env: []string{fmt.Sprintf("CHATD_TORTURE_TIME=%v", o.soak)}, lasts: o.soak,
			},
			{pkg: "pkg/relay", tests: []string{"TestThirtyDays"}, seeds: o.seeds},
		}},
	}
}
