package publish

import (
	"context"

	"interlock/services/ledger"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

const (
	// maxChunkRuns is how many runs one transaction of an import publishes: enough that the ledger's commits cost
	// little, few enough that other writers get in between and a progress bar moves. A train's dates are all in one
	// chunk.
	maxChunkRuns = 1_500
	// maxUnusable is how many unusable dates of a train are named: enough to see what is wrong, no more than a screen
	// holds.
	maxUnusable = 20
	// maxImportRuns is how many runs one import makes: half as many again as China's high-speed trains in 400 days.
	// Each takes some 150 bytes of memory before the first is published.
	maxImportRuns = 2_500_000
)

// ImportRequest asks to put a feed's trains on sale.
type ImportRequest struct {
	Feed      *gtfs.Feed
	Templates *Templates
	// From is the first service date, Days how many there are.
	From      rail.Date
	Days      int
	SaleOpens SaleOpens
	// NumberFrom is where the numbers of trains come from; "" is NumberFromShortName.
	NumberFrom NumberFrom
	// NumberWithAgency are the agencies, by id or by name, whose trains have in their numbers what is written here:
	// "SBB IC 1".
	NumberWithAgency []string
	// Strict makes a refusal of the import of what would be left out.
	Strict bool
	// DryRun tells what would be on sale, and writes nothing.
	DryRun bool
	// Findings, if any, is told of what is left out, and of what a person might wonder about.
	Findings *Findings
	// By is who imports, for the record.
	By string
	// Progress, if any, is told how many of all runs are done, by the goroutine that imports.
	Progress func(done, total int)
}

// ImportReport is what an import did, or had done when it ended early.
type ImportReport struct {
	Stations, StationsChanged int
	// Trains are the feed's trips that are sold on any of the dates.
	Trains int
	// Runs were to be published. Created, Changed and Unchanged count what became of them, or would in a dry run.
	Runs, Created, Changed, Unchanged int
	// Kinds are the kinds of the feed's trips that run on any of the dates.
	Kinds []KindReport
}

// KindReport counts what is sold of a kind of train.
type KindReport struct {
	Kind         string
	Trains, Runs int
	// ByDefault tells that the templates have only their default for it.
	ByDefault bool
	// Skipped are the trips that the templates skip.
	Skipped int
}

// Import puts every train of a feed that runs on the dates on sale. A train that cannot be sold is left out, and told
// of. Before anything is written, a change to a run with orders is refused by name. Then runs are published in chunks
// of whole trains. An import that is interrupted leaves whole runs; importing again finishes it.
func (p *Publisher) Import(ctx context.Context, request ImportRequest) (ImportReport, error) {
	if request.Findings == nil {
		request.Findings = &Findings{}
	}
	report := ImportReport{Stations: len(request.Feed.Stations)}
	plan, err := p.plan(&request, &report)
	if err != nil {
		return report, err
	}
	chunks := plan.chunks()
	would, changes, err := p.rehearse(ctx, &request, chunks)
	if err != nil {
		return report, err
	}
	if request.DryRun {
		report.Created, report.Changed, report.Unchanged = would.Created, would.Changed, would.Unchanged
		return report, nil
	}
	if report.StationsChanged, err = p.Ledger.PutStations(ctx, request.Feed.Stations, request.By); err != nil {
		return report, unsure(err)
	}
	err = p.publishChunks(ctx, &request, &report, chunks, changes)
	if report.StationsChanged+report.Created+report.Changed > 0 {
		p.refresh(context.WithoutCancel(ctx))
		p.announce(context.WithoutCancel(ctx))
	}
	return report, err
}

// rehearse asks the ledger what it would do, and counts that. changes tells of each chunk whether it would change
// anything.
func (p *Publisher) rehearse(
	ctx context.Context, request *ImportRequest, chunks [][]planned,
) (would ImportReport, changes []bool, err error) {
	changes = make([]bool, len(chunks))
	for i, chunk := range chunks {
		publications, err := p.Ledger.Publish(ctx, p.runs(chunk, request.SaleOpens), request.By, true)
		if err != nil {
			return would, nil, err
		}
		changes[i] = would.add(publications)
	}
	return would, changes, nil
}

// add counts what became of runs, and tells whether any was changed.
func (r *ImportReport) add(publications []ledger.Publication) bool {
	created, changed, unchanged := count(publications)
	r.Created += created
	r.Changed += changed
	r.Unchanged += unchanged
	return created+changed > 0
}

func (p *Publisher) publishChunks(
	ctx context.Context, request *ImportRequest, report *ImportReport, chunks [][]planned, changes []bool,
) error {
	reached, done := true, 0
	for i, chunk := range chunks {
		// Runs are made anew for each chunk: those of a national timetable would take a lot of memory at once.
		runs := p.runs(chunk, request.SaleOpens)
		if changes[i] {
			publications, err := p.Ledger.Publish(ctx, runs, request.By, false)
			if err != nil {
				return unsure(err) // If it was done, importing again does not load it; repair does.
			}
			report.add(publications)
			// Once Redis cannot be reached, it is not asked again: a hundred waits would not help, and repair does it.
			reached = reached && p.load(context.WithoutCancel(ctx), allFree(publications))
		} else {
			report.Unchanged += len(runs)
		}
		done += len(runs)
		if request.Progress != nil {
			request.Progress(done, report.Runs)
		}
	}
	return nil
}

// runs makes the runs of a chunk.
func (p *Publisher) runs(chunk []planned, opens SaleOpens) []*rail.Run {
	var runs []*rail.Run
	for _, each := range chunk {
		for _, date := range each.dates {
			runs = append(runs, p.run(each.train, date, opens.on(date, each.origin)))
		}
	}
	return runs
}
