package publish_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// noNightTrain is a newer edition of the small feed: it no longer has A 999.
var noNightTrain = map[string]string{
	"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,A 201\n",
	"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
		"t1,07:00:00,07:00:00,a,1\nt1,08:00:00,08:05:00,b,2\nt1,09:00:00,09:00:00,c,3\n",
}

// imported imports and returns the report and what a person reads.
func (h *house) imported(t *testing.T, request publish.ImportRequest) (publish.ImportReport, string) {
	t.Helper()
	request.Findings = &publish.Findings{}
	report, err := h.Import(t.Context(), request)
	require.NoError(t, err)
	var screen strings.Builder
	require.NoError(t, request.Findings.Print(&screen))
	return report, screen.String()
}

func (h *house) status(id rail.RunID) rail.RunStatus { return h.ledger.runs[id].run.Status }

func TestImport_NamesWhatTheFeedNoLongerHas(t *testing.T) {
	h := newHouse(t)
	h.imported(t, importRequest(t, nil))
	h.ledger.runs["A%20999@2026-03-08"].orders = []*rail.Order{{}}
	number := h.ledger.number
	for range 2 {
		report, screen := h.imported(t, importRequest(t, noNightTrain))
		require.Equal(t, []int{7, 2, 0, 0},
			[]int{report.Unchanged, report.Missing, report.Withdrawn, report.Suspended})
		require.Contains(t, screen, "runs that the feed no longer has stay on sale, unless it is imported with "+
			"--replace: 2\n  A 999 on 2026-03-07\n  A 999 on 2026-03-08, which has orders\n")
		require.Equal(t, number, h.ledger.number, "nothing was written")
	}
	require.Equal(t, rail.Published, h.status("A%20999@2026-03-07"))
}

func TestImport_Replace(t *testing.T) {
	h := newHouse(t)
	h.imported(t, importRequest(t, nil))
	h.ledger.runs["A%20999@2026-03-08"].orders = []*rail.Order{{}}
	request := importRequest(t, noNightTrain)
	request.Replace, request.DryRun = true, true
	number, loads := h.ledger.number, h.availability.loads
	report, _ := h.imported(t, request)
	require.Equal(t, []int{0, 1, 1}, []int{report.Missing, report.Withdrawn, report.Suspended})
	require.Equal(t, []int{number, loads}, []int{h.ledger.number, h.availability.loads}, "a dry run writes nothing")
	require.Equal(t, rail.Published, h.status("A%20999@2026-03-07"))

	request.DryRun = false
	ended := &rail.Order{RunID: "A%20999@2026-03-07", ID: "x", Version: 2}
	h.ledger.ended = []*rail.Order{ended}
	announced := h.availability.announced
	report, screen := h.imported(t, request)
	require.Equal(t, []int{0, 1, 1}, []int{report.Missing, report.Withdrawn, report.Suspended})
	require.Contains(t, screen, "runs that the feed no longer has, and that have orders, are suspended and not "+
		"withdrawn: 1\n  A 999 on 2026-03-08\n")
	require.Contains(t, screen, "notice: runs that the feed no longer has are withdrawn: A 999 on 2026-03-07\n")
	require.Equal(t, rail.Withdrawn, h.status("A%20999@2026-03-07"))
	require.Equal(t, rail.Suspended, h.status("A%20999@2026-03-08"))
	require.Equal(t, `the feed "Railway" no longer has it`, h.ledger.runs["A%20999@2026-03-08"].run.Reason)
	require.Equal(t, rail.Withdrawn, h.availability.left["A%20999@2026-03-07"].Status)
	require.Equal(t, []uint16{6}, h.availability.left["A%20999@2026-03-08"].Counts, "as the ledger counted")
	require.Equal(t, []rail.Change{{RunID: ended.RunID, OrderID: "x", Version: 2}}, h.availability.orders)
	require.Equal(t, announced+1, h.availability.announced, "searches show it")
	require.Equal(t, rail.Suspended, h.timetable.runs["A%20999@2026-03-08"].Status)

	number = h.ledger.number
	h.ledger.ended = nil
	report, _ = h.imported(t, request)
	require.Zero(t, report.Withdrawn+report.Suspended)
	request.DryRun = true
	_, screen = h.imported(t, request)
	require.Contains(t, screen, "notice: runs that the feed no longer has are suspended already: A 999 on 2026-03-08\n")

	report, _ = h.imported(t, importRequest(t, nil))
	require.Equal(t, []int{7, 2, 0}, []int{report.Unchanged, report.Changed, report.Left}, "it has the train again")
	require.Equal(t, rail.Published, h.status("A%20999@2026-03-07"))
	require.Equal(t, rail.Published, h.status("A%20999@2026-03-08"))
	require.Equal(t, []uint16{6}, h.availability.left["A%20999@2026-03-08"].Counts, "and its order")
	require.Greater(t, h.ledger.number, number)
}

// TestImport_ReplaceLeavesAlone replaces a feed beside runs that it says nothing about.
func TestImport_ReplaceLeavesAlone(t *testing.T) {
	const night = rail.RunID("A%20999@2026-03-08")
	for name, c := range map[string]struct {
		spoil func(h *house, r *publish.ImportRequest)
		says  string
	}{
		"another feed's": {func(_ *house, r *publish.ImportRequest) { r.FeedName = "West" }, ""},
		"published by hand": {func(h *house, _ *publish.ImportRequest) {
			h.ledger.runs[night].feed = ledger.Feed{}
		}, ""},
		"of a date not asked for": {func(_ *house, r *publish.ImportRequest) { r.Days = 6 }, ""},
		"of a date after the feed's last": {func(_ *house, r *publish.ImportRequest) {
			r.Feed.Through = rail.NewDate(2026, 3, 7)
		}, ""},
		"of a date before the feed's first": {func(_ *house, r *publish.ImportRequest) {
			r.Feed.From, r.Feed.Through = rail.NewDate(2026, 3, 9), rail.NewDate(2026, 12, 31)
		}, ""},
		"departed": {func(h *house, _ *publish.ImportRequest) { h.ledger.runs[night].departed = true }, ""},
		"of another selection": {func(_ *house, r *publish.ImportRequest) {
			r.Selection = publish.Selection(gtfs.Options{Routes: []string{"r"}})
		}, "notice: runs of the feed came with another selection of it, and stay on sale: 2, such as A 999 on " +
			"2026-03-07\n"},
		"suspended by a person": {func(h *house, _ *publish.ImportRequest) {
			h.ledger.runs[night].run.Status = rail.Suspended
		}, "notice: runs that the feed no longer has are suspended already: A 999 on 2026-03-08\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.imported(t, importRequest(t, nil))
			request := importRequest(t, noNightTrain)
			request.Replace = true
			c.spoil(h, &request)
			before := h.status(night)
			_, screen := h.imported(t, request)
			require.Equal(t, before, h.status(night))
			require.Contains(t, screen, c.says)
		})
	}
}

// TestImport_LeavesWhatIsNotItsOwnToChange has runs otherwise that it may not change: all are named at once, and the
// rest is applied.
func TestImport_LeavesWhatIsNotItsOwnToChange(t *testing.T) {
	later := importRequest(t, nil)
	later.SaleOpens.At = monday
	for name, c := range map[string]struct {
		spoil func(run *fakeRun)
		says  string
		exits int
	}{
		"orders": {
			func(run *fakeRun) { run.orders = []*rail.Order{{}} },
			"runs with orders are left as they are, and the feed has them otherwise: 2\n" +
				"  A 999 on 2026-03-07\n  A 999 on 2026-03-08\n", 2,
		},
		"another feed's": {
			func(run *fakeRun) { run.feed.Name = "West" },
			"runs that are not this feed's are left as they are, and the feed has them otherwise: 2\n" +
				"  A 999 on 2026-03-07 is of the feed \"West\"\n  A 999 on 2026-03-08 is of the feed \"West\"\n", 2,
		},
		"by hand": {func(run *fakeRun) { run.feed.Name = "" }, "  A 999 on 2026-03-08 was published by hand\n", 2},
		"withdrawn by a person": {
			func(run *fakeRun) { run.run.Status = rail.Withdrawn },
			"notice: runs that a person withdrew stay withdrawn: 2, such as A 999 on 2026-03-07\n", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.imported(t, importRequest(t, nil))
			for _, id := range []rail.RunID{"A%20999@2026-03-07", "A%20999@2026-03-08"} {
				c.spoil(h.ledger.runs[id])
			}
			writes := h.ledger.writes
			for _, mode := range []string{"strict", "dry", "real"} {
				request := later
				request.Strict, request.DryRun = mode == "strict", mode == "dry"
				request.Findings = &publish.Findings{}
				if mode == "strict" && c.exits > 0 {
					_, err := h.Import(t.Context(), request)
					said := strings.Join(refusals(t, err), "\n")
					require.Contains(t, said, "A 999 on 2026-03-07")
					require.Contains(t, said, "A 999 on 2026-03-08", "all at once")
					require.Contains(t, said, ", and the feed has it otherwise")
					require.Equal(t, writes, h.ledger.writes)
					continue
				}
				if mode == "strict" {
					continue
				}
				report, screen := h.imported(t, request)
				require.Equal(t, []int{0, 7, 0, 2},
					[]int{report.Created, report.Changed, report.Unchanged, report.Left}, mode)
				require.Contains(t, screen, c.says)
			}
			require.Equal(t, monday, h.ledger.runs["A%20201@2026-03-02"].run.SaleOpensAt, "the rest is applied")
			require.NotEqual(t, monday, h.ledger.runs["A%20999@2026-03-07"].run.SaleOpensAt)
			request := later
			request.Findings = &publish.Findings{}
			_, err := h.Import(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.exits, request.Findings.LeftOut(), "again says it again")
		})
	}
}

func TestImport_AnotherFeedsRunsStayTheirs(t *testing.T) {
	h := newHouse(t)
	h.imported(t, importRequest(t, nil))
	west := importRequest(t, nil)
	west.FeedName = " West "
	report, screen := h.imported(t, west)
	require.Equal(t, "West", report.Feed)
	require.Equal(t, 9, report.Unchanged)
	require.Contains(t, screen, `notice: runs that are not this feed's are just as it has them, and stay theirs: 9, `+
		`such as A 201 on 2026-03-02 is of the feed "Railway"`+"\n")
	require.Equal(t, "Railway", h.ledger.runs["A%20201@2026-03-02"].feed.Name)
}

// TestImport_AnotherSelectionTakesItsRuns switches from all of a feed to a part of it: what it has again belongs to the
// part from then on.
func TestImport_AnotherSelectionTakesItsRuns(t *testing.T) {
	h := newHouse(t)
	h.imported(t, importRequest(t, nil))
	h.ledger.runs["A%20201@2026-03-02"].orders = []*rail.Order{{}}
	part := importRequest(t, noNightTrain)
	part.Selection, part.Replace = publish.Selection(gtfs.Options{Routes: []string{"r"}}), true
	report, _ := h.imported(t, part)
	require.Equal(t, 7, report.Unchanged)
	require.Equal(t, part.Selection, h.ledger.runs["A%20201@2026-03-02"].feed.Selection)
	require.Len(t, h.ledger.runs["A%20201@2026-03-02"].orders, 1)
	require.Equal(t, []uint16{6}, h.availability.left["A%20201@2026-03-02"].Counts)
	require.Equal(t, rail.Published, h.status("A%20999@2026-03-08"), "it is no part of that")
}

func TestSelection(t *testing.T) {
	require.Empty(t, publish.Selection(gtfs.Options{From: 1, Days: 2, Strict: true}))
	all := map[string]string{}
	for _, options := range []gtfs.Options{
		{Agencies: []string{"a"}},
		{Routes: []string{"a"}},
		{Agencies: []string{"a", "b"}},
		{Agencies: []string{"a,b"}},
		{Agencies: []string{"a"}, Routes: []string{"b"}},
		{RouteTypes: []gtfs.RouteTypes{{From: 1, Through: 2}}},
		{RouteTypes: []gtfs.RouteTypes{{From: 12, Through: 2}}},
		{RouteTypes: []gtfs.RouteTypes{{From: 1, Through: 22}}},
	} {
		digest := publish.Selection(options)
		require.LessOrEqual(t, len(digest), 64)
		require.Empty(t, all[digest], "%v", options)
		all[digest] = fmt.Sprint(options)
	}
	given := []string{"b", "a", "b"}
	require.Equal(t, publish.Selection(gtfs.Options{Agencies: []string{"a", "b"}}),
		publish.Selection(gtfs.Options{Agencies: given}), "in any order")
	require.Equal(t, []string{"b", "a", "b"}, given)
}

func TestImport_NameOfTheFeed(t *testing.T) {
	for name, c := range map[string]struct {
		agency, given, want, refusal string
	}{
		"the agency's":   {"Railway", "", "Railway", ""},
		"given":          {"Railway", "West", "West", ""},
		"cut":            {strings.Repeat("é", 63) + " Railway", "", strings.Repeat("é", 63), ""},
		"no name":        {" ", "", "", "agency.txt has no agency_name by which the feed could be remembered"},
		"given too long": {"Railway", strings.Repeat("x", 65), "", "a feed's name has 1 to 64 printable characters"},
		"unprintable":    {"Railway", "a\x00b", "", "a feed's name has 1 to 64 printable characters"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			request := importRequest(t, nil)
			request.Feed.Agency, request.FeedName = c.agency, c.given
			writes := h.ledger.writes
			report, err := h.Import(t.Context(), request)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, writes, h.ledger.writes)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, report.Feed)
		})
	}
}

// TestImport_ReplaceInBoundedSteps replaces the sample, and is broken off in the middle: importing again finishes it.
func TestImport_ReplaceInBoundedSteps(t *testing.T) {
	h := newHouse(t)
	whole := sampleRequest(t, 1)
	h.imported(t, whole)
	half, feed := whole, *whole.Feed
	half.Replace, half.Feed = true, &feed
	half.Feed.Trips = half.Feed.Trips[:len(half.Feed.Trips)/2]
	h.ledger.failDropAfter, h.ledger.failDropWith = 3, errors.New("the primary is gone")
	report, err := h.Import(t.Context(), half)
	require.Equal(t, h.ledger.failDropWith, err)
	require.Positive(t, report.Withdrawn)
	require.Zero(t, report.Created+report.Changed)
	require.LessOrEqual(t, h.ledger.largestDrop, 200)
	for _, page := range h.ledger.pages {
		require.LessOrEqual(t, page.Limit, 1_000)
	}
	h.ledger.failDropWith = nil
	rest, _ := h.imported(t, half)
	onSale := 0
	for _, run := range h.ledger.runs {
		if run.run.Status == rail.Published {
			onSale++
		}
	}
	require.Equal(t, rest.Runs, onSale, "what is on sale is what the feed has")
}
