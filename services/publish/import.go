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
	// FeedName is what the feed is remembered by, 1 to ledger.MaxFeedName printable characters; "" is the name of its
	// first agency. Selection tells which part of the feed was read: see Selection.
	FeedName, Selection string
	// Replace takes off sale what the feed no longer has.
	Replace bool
	// By is who imports, for the record.
	By string
	// Open, if any, is called once it is known that trains run and have templates, before the ledger is asked for
	// anything. It may give the publisher its ledger. An error of it ends the import.
	Open func() error
	// Progress, if any, is told how many of all runs are done, by the goroutine that imports.
	Progress func(done, total int)

	// owner is what the runs and the stations belong to.
	owner ledger.Feed
	// others are the stations by the codes of the feed's that are not its own.
	others []ledger.OtherStation
}

// ImportReport is what an import did, or had done when it ended early.
type ImportReport struct {
	Stations, StationsChanged int
	// Trains are the feed's trips that are sold on any of the dates.
	Trains int
	// Runs were to be published. Created, Changed and Unchanged count what became of them, or would in a dry run.
	Runs, Created, Changed, Unchanged int
	// Left are runs that were to be published and stay as they are, on sale otherwise or not at all.
	Left int
	// Feed is the name that the feed is remembered by.
	Feed string
	// Missing are runs on sale that the feed no longer has. With ImportRequest.Replace it is 0, and those runs were
	// Withdrawn or Suspended, or would be in a dry run.
	Missing, Withdrawn, Suspended int
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
// of. So is one that calls where the station of that code is another feed's, or a person's, and is another place; and a
// run that has orders, or that another feed or a person put on sale, where the feed has it otherwise. Runs are
// published in chunks of whole trains. Then the runs on sale that the feed no longer has are told of, or taken off
// sale. An import that is interrupted leaves whole runs; importing again finishes it. WRONG_STATE: stations of others
// were changed meanwhile, and nothing was written.
func (p *Publisher) Import(ctx context.Context, request ImportRequest) (ImportReport, error) {
	if request.Findings == nil {
		request.Findings = &Findings{}
	}
	var wrong *rail.Error
	if request.owner, wrong = request.feed(); wrong != nil {
		return ImportReport{}, wrong
	}
	report := ImportReport{Stations: len(request.Feed.Stations), Feed: request.owner.Name}
	plan, err := p.plan(ctx, &request, &report)
	if err != nil {
		return report, err
	}
	chunks := plan.chunks()
	would, err := p.rehearse(ctx, &request, chunks)
	if err != nil {
		return report, err
	}
	if request.DryRun {
		for _, chunk := range would {
			report.add(chunk)
		}
		return report, p.dropMissing(ctx, &request, &report, request.timetable(plan))
	}
	report.StationsChanged, err = p.Ledger.PutFeedStations(ctx, request.owner.Name, request.Feed.Stations,
		request.others, request.By)
	if err != nil {
		return report, unsure(err)
	}
	if err = p.publishChunks(ctx, &request, &report, chunks, would); err == nil {
		err = p.dropMissing(ctx, &request, &report, request.timetable(plan))
	}
	if report.StationsChanged+report.Created+report.Changed+report.Withdrawn+report.Suspended > 0 {
		p.refresh(context.WithoutCancel(ctx))
		p.announce(context.WithoutCancel(ctx))
	}
	return report, err
}

// rehearse asks the ledger what it would do with each chunk. An import that is strict is refused where a run would be
// left as it is.
func (p *Publisher) rehearse(ctx context.Context, request *ImportRequest, chunks [][]planned) ([]tally, error) {
	would := make([]tally, len(chunks))
	var left unusable
	for i, chunk := range chunks {
		runs := p.runs(chunk, request.SaleOpens)
		publications, err := p.Ledger.PublishFeed(ctx, request.owner, runs, request.By, true)
		if err != nil {
			return nil, err
		}
		would[i] = tallyOf(publications)
		if request.Strict {
			request.refuse(&left, publications)
		}
		if request.DryRun || !would[i].writes {
			request.tell(publications) // Otherwise what the ledger does in the end is told.
		}
	}
	return would, left.all().OrNil()
}

func (p *Publisher) publishChunks(
	ctx context.Context, request *ImportRequest, report *ImportReport, chunks [][]planned, would []tally,
) error {
	reached, done := true, 0
	for i, chunk := range chunks {
		if would[i].writes {
			// Runs are made anew for each chunk: those of a national timetable would take a lot of memory at once.
			runs := p.runs(chunk, request.SaleOpens)
			publications, err := p.Ledger.PublishFeed(ctx, request.owner, runs, request.By, false)
			if err != nil {
				return unsure(err) // If it was done, importing again does not load it; repair does.
			}
			would[i] = tallyOf(publications)
			request.tell(publications)
			// Once Redis cannot be reached, it is not asked again: a hundred waits would not help, and repair does it.
			reached = reached && p.load(context.WithoutCancel(ctx), p.left(ctx, publications))
		}
		done += report.add(would[i])
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
