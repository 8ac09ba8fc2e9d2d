package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"interlock/services/ledger"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// A feed is the whole timetable of its dates: what it no longer has is not to be sold.

const (
	// maxListedRuns is how many runs of a feed are read at once.
	maxListedRuns = 1_000
	// maxDropRuns is how many runs one transaction takes off sale: each is locked until the commit, and a buyer waits
	// for that.
	maxDropRuns = 200
	// selectionBytes is how much of a digest tells selections apart.
	selectionBytes = 16
)

// Kinds of finding about runs that are on sale already.
const (
	runsWithOrders   = "runs with orders are left as they are, and the feed has them otherwise"
	runsOfAnother    = "runs that are not this feed's are left as they are, and the feed has them otherwise"
	runsOfOthers     = "runs that are not this feed's are just as it has them, and stay theirs"
	runsStay         = "runs that a person withdrew stay withdrawn"
	runsMissing      = "runs that the feed no longer has stay on sale, unless it is imported with --replace"
	runsWithdrawn    = "runs that the feed no longer has are withdrawn"
	runsSuspended    = "runs that the feed no longer has, and that have orders, are suspended and not withdrawn"
	runsLeft         = "runs that the feed no longer has are suspended already"
	runsMoved        = "runs that the feed no longer has were changed meanwhile: import it again"
	runsNotSelected  = "runs of the feed came with another selection of it, and stay on sale"
	reasonOfDropping = "the feed %q no longer has it"
)

// Selection is a digest of which part of a feed is read, "" for all of it. Agencies, routes and route types count as
// they are given, in any order; dates do not.
func Selection(options gtfs.Options) string {
	if len(options.Agencies)+len(options.Routes)+len(options.RouteTypes) == 0 {
		return ""
	}
	types := make([]string, len(options.RouteTypes))
	for i, t := range options.RouteTypes {
		types[i] = fmt.Sprint(t.From, "-", t.Through)
	}
	part := [][]string{slices.Clone(options.Agencies), slices.Clone(options.Routes), types}
	for i := range part {
		slices.Sort(part[i])
		part[i] = slices.Compact(part[i])
	}
	text, err := json.Marshal(part)
	if err != nil {
		panic(err) // Lists of texts can be marshalled.
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:selectionBytes])
}

// feed is what the runs of an import belong to. Without a name it is the feed's first agency's, cut to what is kept.
func (r *ImportRequest) feed() (ledger.Feed, *rail.Error) {
	feed := ledger.Feed{Name: rail.NormalizeText(r.FeedName), Selection: r.Selection}
	if feed.Name == "" {
		name := []rune(rail.NormalizeText(r.Feed.Agency))
		feed.Name = strings.TrimSpace(string(name[:min(len(name), ledger.MaxFeedName)]))
		if rail.CheckText("", feed.Name, ledger.MaxFeedName) != nil {
			return feed, rail.Refuse(rail.Invalid, "agency.txt has no agency_name by which the feed could be "+
				"remembered: name the feed (--feed NAME)")
		}
	}
	return feed, rail.CheckText("a feed's name", feed.Name, ledger.MaxFeedName)
}

// tally counts what became of runs.
type tally struct {
	created, changed, unchanged, left int
	// writes tells that any of them is written.
	writes bool
}

func tallyOf(publications []ledger.Publication) (t tally) {
	marked := 0
	for i := range publications {
		switch publications[i].Outcome {
		case ledger.RunCreated:
			t.created++
		case ledger.RunChanged, ledger.RunResumed:
			t.changed++
		case ledger.RunMarked:
			marked++
		case ledger.RunUnchanged:
			t.unchanged++
		case ledger.RunHasOrders, ledger.RunOfAnother, ledger.RunStaysWithdrawn:
			t.left++
		}
	}
	t.unchanged += marked
	t.writes = t.created+t.changed+marked > 0
	return t
}

// add adds what became of runs, and returns how many they are.
func (r *ImportReport) add(t tally) int {
	r.Created += t.created
	r.Changed += t.changed
	r.Unchanged += t.unchanged
	r.Left += t.left
	return t.created + t.changed + t.unchanged + t.left
}

// tell tells request.Findings of the runs that are not as the feed has them.
func (r *ImportRequest) tell(publications []ledger.Publication) {
	for i := range publications {
		if finding, ok := r.left(&publications[i]); ok {
			r.Findings.Add(finding)
		}
	}
}

// refuse collects what a strict import is refused for.
func (r *ImportRequest) refuse(left *unusable, publications []ledger.Publication) {
	for i := range publications {
		finding, ok := r.left(&publications[i])
		if !ok || !finding.LeftOut {
			continue
		}
		if publications[i].Outcome == ledger.RunHasOrders {
			finding.Message += " has orders"
		}
		finding.Message += ", and the feed has it otherwise"
		left.add(finding)
	}
}

// left is the finding about a run that is not as the feed has it, or that is not the feed's.
func (r *ImportRequest) left(p *ledger.Publication) (finding gtfs.Finding, ok bool) {
	finding.Message = p.Run.Name()
	whose := fmt.Sprintf(" is of the feed %q", p.Feed.Name)
	if p.Feed.Name == "" {
		whose = " was published by hand"
	}
	switch p.Outcome {
	case ledger.RunHasOrders:
		finding.Kind, finding.LeftOut = runsWithOrders, true
	case ledger.RunOfAnother:
		finding.Kind, finding.LeftOut = runsOfAnother, true
		finding.Message += whose
	case ledger.RunStaysWithdrawn:
		finding.Kind = runsStay
	case ledger.RunUnchanged:
		finding.Kind = runsOfOthers
		finding.Message += whose
		return finding, p.Feed.Name != r.owner.Name
	default:
		return finding, false
	}
	return finding, true
}

// timetable are the runs of an import, by their dates.
type timetable struct {
	trains plan
	// from and through are the dates of which the feed says which trains run.
	from, through rail.Date
}

// timetable is the whole timetable of those dates asked for that are among the feed's own. A feed that does not say
// which these are says all dates asked for.
func (r *ImportRequest) timetable(trains plan) timetable {
	if r.Feed.Through == 0 {
		return timetable{trains, r.From, r.From.AddDays(r.Days - 1)}
	}
	return timetable{trains, max(r.From, r.Feed.From), min(r.From.AddDays(r.Days-1), r.Feed.Through)}
}

// on are the runs of a date.
func (t *timetable) on(date rail.Date) map[rail.RunID]bool {
	runs := map[rail.RunID]bool{}
	for _, each := range t.trains {
		if _, runsThen := slices.BinarySearch(each.dates, date); runsThen {
			runs[rail.NewRunID(each.train.Number, date)] = true
		}
	}
	return runs
}

// dropping takes off sale what a feed no longer has, or tells of it.
type dropping struct {
	p       *Publisher
	request *ImportRequest
	report  *ImportReport
	// missing wait to be dropped, at most maxDropRuns.
	missing []ledger.FeedRun
	// unreached tells that Redis could not be reached. It is not asked again.
	unreached bool
}

// dropMissing compares the runs on sale with a whole timetable.
func (p *Publisher) dropMissing(
	ctx context.Context, request *ImportRequest, report *ImportReport, whole timetable,
) error {
	d := &dropping{p: p, request: request, report: report}
	for date := whole.from; date <= whole.through; date++ {
		if err := d.compare(ctx, date, whole.on(date)); err != nil {
			return err
		}
	}
	return d.drop(ctx)
}

// compare looks through the feed's runs on a date for those that it no longer has.
func (d *dropping) compare(ctx context.Context, date rail.Date, has map[rail.RunID]bool) error {
	page := ledger.FeedPage{Feed: d.request.owner.Name, Date: date, Limit: maxListedRuns}
	for {
		runs, err := d.p.Ledger.FeedRuns(ctx, page)
		if err != nil {
			return err
		}
		for _, run := range runs {
			switch {
			case has[run.ID]:
			case run.Feed != d.request.owner:
				d.request.Findings.Add(gtfs.Finding{Kind: runsNotSelected, Message: run.Name()})
			default:
				d.missing = append(d.missing, run)
			}
			if len(d.missing) == maxDropRuns {
				if err := d.drop(ctx); err != nil {
					return err
				}
			}
		}
		if len(runs) < page.Limit {
			return nil
		}
		page.After = runs[len(runs)-1].ID
	}
}

// drop drops the runs that wait for it. Without ImportRequest.Replace, and in a dry run, it tells what would be done.
func (d *dropping) drop(ctx context.Context) error {
	if len(d.missing) == 0 {
		return nil
	}
	validateOnly := d.request.DryRun || !d.request.Replace
	dropped, ended, err := d.p.Ledger.Drop(ctx, d.missing, fmt.Sprintf(reasonOfDropping, d.request.owner.Name),
		d.request.By, validateOnly)
	if err != nil {
		return unsure(err)
	}
	d.missing = d.missing[:0]
	var left []*rail.Availability
	for i := range dropped {
		d.count(&dropped[i])
		if dropped[i].Left != nil {
			left = append(left, d.p.counted(ctx, dropped[i].Left)...)
		}
	}
	told := context.WithoutCancel(ctx)
	d.unreached = d.unreached || !d.p.load(told, left)
	if !d.unreached {
		d.p.announceOrders(told, ended)
	}
	return nil
}

// count adds a run to the report and the findings.
func (d *dropping) count(run *ledger.Dropped) {
	finding := gtfs.Finding{Message: run.Run.Name()}
	switch run.Outcome {
	case ledger.DropDeparted:
		return
	case ledger.DropMoved:
		finding.Kind = runsMoved
	case ledger.DropLeft:
		finding.Kind = runsLeft
	case ledger.DropWithdrawn:
		finding.Kind = runsWithdrawn
	case ledger.DropSuspended:
		finding.Kind, finding.LeftOut = runsSuspended, true
	}
	switch onSale := run.Outcome == ledger.DropWithdrawn || run.Outcome == ledger.DropSuspended; {
	case onSale && !d.request.Replace:
		d.report.Missing++
		finding.Kind = runsMissing
		if finding.LeftOut {
			finding.Message += ", which has orders"
		}
		finding.LeftOut = true
	case run.Outcome == ledger.DropWithdrawn:
		d.report.Withdrawn++
	case run.Outcome == ledger.DropSuspended:
		d.report.Suspended++
	}
	d.request.Findings.Add(finding)
}
