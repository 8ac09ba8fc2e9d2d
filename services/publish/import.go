package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

const (
	// maxChunkRuns is how many runs one transaction of an import publishes: enough that the ledger's commits cost little,
	// few enough that other writers get in between and a bar moves. A train's dates always share one.
	maxChunkRuns = 1_500
	// maxUnusable is how many unusable trains or dates are named: enough to see what is wrong, no more than a screen holds.
	maxUnusable = 20
	// maxNotices is how many kinds of train without a template a notice each is made of.
	maxNotices = 20
	// maxImportRuns is how many runs one import makes: half as many again as China's high-speed trains in 400 days. Each is
	// looked up by its id, in some 150 bytes of memory, before the first is published.
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
	// By is who imports, for the record.
	By string
	// Progress, if any, is told how many of all runs are done, by the goroutine that imports.
	Progress func(done, total int)
}

// ImportReport is what an import did; of one that ended early, what it did until then.
type ImportReport struct {
	Stations, StationsChanged int
	// Trains are the feed's trips that run on any of the dates.
	Trains int
	// Runs are how many were to be published; Created, Changed and Unchanged, what became of them.
	Runs, Created, Changed, Unchanged int
	// Notices tell in plain words what was left out or worked out.
	Notices []string
}

// Import puts every train of a feed that runs on the dates on sale. Trains that cannot be sold are refused by name, and
// so is a change to a run with orders, before anything is written. Then runs are published in chunks of whole trains:
// an import that is interrupted leaves whole runs, and importing again finishes, or changes nothing.
func (p *Publisher) Import(ctx context.Context, request ImportRequest) (ImportReport, error) {
	report := ImportReport{Stations: len(request.Feed.Stations), Notices: slices.Clone(request.Feed.Notices)}
	plan, err := p.plan(&request, &report)
	if err != nil {
		return report, err
	}
	chunks := plan.chunks()
	changes := make([]bool, len(chunks))
	for i, chunk := range chunks {
		publications, err := p.Ledger.Publish(ctx, p.runs(chunk, request.SaleOpens), request.By, true)
		if err != nil {
			return report, err
		}
		_, _, unchanged := count(publications)
		changes[i] = unchanged < len(publications)
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

func (p *Publisher) publishChunks(ctx context.Context, request *ImportRequest, report *ImportReport, chunks [][]planned, changes []bool) error {
	reached, done := true, 0
	for i, chunk := range chunks {
		// Runs are made anew and forgotten with their chunk: a national timetable's would fill a lot of memory at once.
		runs := p.runs(chunk, request.SaleOpens)
		if changes[i] {
			publications, err := p.Ledger.Publish(ctx, runs, request.By, false)
			if err != nil {
				return unsure(err) // If it was done, importing again does not load it; repair does.
			}
			created, changed, unchanged := count(publications)
			report.Created, report.Changed, report.Unchanged = report.Created+created, report.Changed+changed, report.Unchanged+unchanged
			// Whoever cannot be reached once is not asked again: a hundred waits would not help, and repair does it.
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

// planned is a train and the dates it is to run on.
type planned struct {
	train *rail.Train
	// origin is the time zone of the station it starts from.
	origin *time.Location
	dates  []rail.Date
}

type plan []planned

// plan makes the trains, or names those that cannot be sold.
func (p *Publisher) plan(request *ImportRequest, report *ImportReport) (plan, error) {
	if err := p.validateImport(request); err != nil {
		return nil, err
	}
	var (
		all       plan
		unusable  unusable
		taken     = map[rail.RunID]*gtfs.Trip{}
		missing   = map[string][]string{}
		byDefault = map[string]int{}
		dates     = serviceDatesOf{request.From, request.Days, map[*gtfs.Service][]rail.Date{}}
	)
	runs := 0
	for _, trip := range request.Feed.Trips {
		if runs += len(dates.of(trip.Service)); runs > maxImportRuns {
			return nil, rail.Refuse(rail.Invalid, "trips.txt:%d: the trips up to here make more than %d runs in %d days: import fewer days at a time",
				trip.Line, maxImportRuns, request.Days)
		}
	}
	zones := make(map[rail.StationCode]*time.Location, len(request.Feed.Stations))
	for _, station := range request.Feed.Stations {
		zones[station.Code] = station.Location()
	}
	for _, trip := range request.Feed.Trips {
		dates := dates.of(trip.Service)
		if len(dates) == 0 {
			continue
		}
		kind, template := request.Templates.Of(trip)
		if template == nil {
			missing[kindOf(trip)] = append(missing[kindOf(trip)], trip.Number)
			continue
		}
		if template == request.Templates.fallback {
			byDefault[kindOf(trip)]++
		}
		train := rail.NewTrain(trip.Number, kind, request.Feed.TimeZone, trip.Calls, template.Formation, template.Fares)
		if errs := train.Validate(); len(errs) > 0 {
			unusable.add(trip, "%s", errs[0].Message)
			continue
		}
		for _, date := range dates {
			id := rail.NewRunID(train.Number, date)
			if other := taken[id]; other != nil {
				unusable.add(trip, "trip %q in line %d is train %s on %s too", other.ID, other.Line, trip.Number, date)
				break
			}
			taken[id] = trip
		}
		all = append(all, planned{train, zones[train.Calls[0].Station], dates})
		report.Runs += len(dates)
	}
	for n, kind := range slices.Sorted(maps.Keys(missing)) {
		if n == maxUnusable {
			unusable.errs.Add(rail.Invalid, nil, "%d more kinds have no template", len(missing)-n)
			break
		}
		unusable.errs.Add(rail.Invalid, nil, "kind %q has no template, and the templates have no default: %s", kind, some(missing[kind]))
	}
	if err := unusable.orNil(); err != nil {
		report.Runs = 0
		return nil, err
	}
	if len(all) == 0 {
		return nil, rail.Refuse(rail.Invalid, "no train of the feed runs from %s through %s", request.From, request.From.AddDays(request.Days-1))
	}
	for n, kind := range slices.Sorted(maps.Keys(byDefault)) {
		if n == maxNotices {
			report.Notices = append(report.Notices, fmt.Sprintf("%d more kinds have no template: their trains have the default's", len(byDefault)-n))
			break
		}
		report.Notices = append(report.Notices, fmt.Sprintf("kind %q has no template: %d trains have the default's coaches and fares", kind, byDefault[kind]))
	}
	report.Trains = len(all)
	return all, nil
}

// serviceDatesOf are the dates of an import that services run on. Many trips share a service, and its dates.
type serviceDatesOf struct {
	from  rail.Date
	days  int
	known map[*gtfs.Service][]rail.Date
}

func (s *serviceDatesOf) of(service *gtfs.Service) []rail.Date {
	dates, ok := s.known[service]
	if !ok {
		for date := s.from; date < s.from.AddDays(s.days); date++ {
			if service.RunsOn(date) {
				dates = append(dates, date)
			}
		}
		s.known[service] = dates
	}
	return dates
}

func (p *Publisher) validateImport(request *ImportRequest) error {
	var errs rail.Errors
	zone, err := rail.LoadZone(request.Feed.TimeZone)
	if err != nil {
		return err
	}
	if today := rail.DateIn(p.Now(), zone); request.From < today {
		errs.Add(rail.Invalid, []string{"from"}, "%s is past: where the trains run it is %s", request.From, today)
	}
	if request.Days < 1 || request.Days > MaxDates {
		errs.Add(rail.Invalid, []string{"days"}, "an import is of 1 to %d days", MaxDates)
	}
	errs = append(errs, request.SaleOpens.validate([]string{"saleOpens"})...)
	return errs.OrNil()
}

// chunks are the trains in their order, in parts of about maxChunkRuns runs.
func (all plan) chunks() [][]planned {
	var chunks [][]planned
	first, runs := 0, 0
	for i := range all {
		if i > first && runs+len(all[i].dates) > maxChunkRuns {
			chunks = append(chunks, all[first:i])
			first, runs = i, 0
		}
		runs += len(all[i].dates)
	}
	return append(chunks, all[first:])
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

// unusable collects the trains that cannot be sold.
type unusable struct {
	errs rail.Errors
	more int
}

func (u *unusable) add(trip *gtfs.Trip, format string, args ...any) {
	if len(u.errs) == maxUnusable {
		u.more++
		return
	}
	u.errs.Add(rail.Invalid, nil, "trips.txt:%d: train %s (trip %q): %s", trip.Line, trip.Number, trip.ID, fmt.Sprintf(format, args...))
}

// orNil is all that was collected, nil when nothing was.
func (u *unusable) orNil() error {
	if u.more > 0 {
		u.errs.Add(rail.Invalid, nil, "%d more trains cannot be sold", u.more)
	}
	return u.errs.OrNil()
}

// some names a few of many trains.
func some(numbers []string) string {
	const named = 5
	if len(numbers) <= named {
		return strings.Join(numbers, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(numbers[:named], ", "), len(numbers)-named)
}
