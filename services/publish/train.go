package publish

import (
	"context"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// TrainRequest asks to put a train on sale on a range of dates.
type TrainRequest struct {
	Number string
	Kind   string
	// Calls have times as the clocks of their stations show them; their Clock is not read.
	Calls   []rail.Call
	Coaches []rail.Coach
	Fares   rail.Fares
	// From and Through are the first and the last service date.
	From, Through rail.Date
	// Weekdays restrict the dates; none is every day.
	Weekdays  []time.Weekday
	SaleOpens SaleOpens
	// ValidateOnly asks what would happen, and changes nothing.
	ValidateOnly bool
}

// TrainResult is what became, or would become, of a TrainRequest.
type TrainResult struct {
	Train *rail.Train
	// Runs are the train's runs on the dates asked for, in their order.
	Runs []*rail.Run
	// Created, Changed and Unchanged add up to the runs.
	Created, Changed, Unchanged int
}

// PublishTrain puts a train on sale, on all of its dates or none. INVALID lists everything that is wrong with the
// request. A change to a run that has orders is RUN_HAS_ORDERS.
func (p *Publisher) PublishTrain(ctx context.Context, request TrainRequest, by string) (TrainResult, error) {
	train, runs, err := p.prepare(ctx, &request)
	if err != nil {
		return TrainResult{}, err
	}
	publications, err := p.Ledger.Publish(ctx, runs, by, request.ValidateOnly)
	if err != nil {
		return TrainResult{}, unsure(err)
	}
	result := TrainResult{Train: train}
	for _, publication := range publications {
		result.Runs = append(result.Runs, publication.Run)
	}
	result.Created, result.Changed, result.Unchanged = count(publications)
	if !request.ValidateOnly {
		p.tell(ctx, allFree(publications))
	}
	return result, nil
}

// prepare makes the train and its runs, or lists everything that is wrong with the request.
func (p *Publisher) prepare(ctx context.Context, request *TrainRequest) (*rail.Train, []*rail.Run, error) {
	var errs rail.Errors
	if n := len(request.Calls); n < 2 || n > rail.MaxCalls {
		// This is said alone: most other defects would follow from it.
		errs.Add(rail.Invalid, input("calls"), "a train calls at 2 to %d stations, not %d", rail.MaxCalls, n)
		return nil, nil, errs
	}
	if n := len(request.Coaches); n > rail.MaxCoaches {
		errs.Add(rail.Invalid, input("coaches"), "a train has 1 to %d coaches, not %d", rail.MaxCoaches, n)
		return nil, nil, errs
	}
	stations := p.findStations(ctx, request.Calls)
	for i, call := range request.Calls {
		if stations[i] == nil && call.Station.Valid() {
			errs.Add(rail.Invalid, input("calls", rail.Index(i), "station"), "there is no station %s",
				rail.Quote(string(call.Station)))
		}
	}
	zone, originZone := "UTC", time.UTC // Never sold by: an unknown origin is refused already.
	if origin := stations[0]; origin != nil {
		zone, originZone = origin.TimeZone, origin.Location()
	}
	fares := request.Fares
	train := rail.NewTrain(rail.NormalizeLabel(request.Number), rail.NormalizeText(request.Kind), zone,
		clocked(tidy(request.Calls), stations), rail.NewFormation(labelled(request.Coaches)), &fares)
	errs = append(errs, train.Validate("input")...)
	errs = append(errs, request.SaleOpens.validate(input("saleOpens"))...)
	dates, wrongDates := serviceDates(request.From, request.Through, rail.DateIn(p.Now(), originZone), request.Weekdays)
	errs = append(errs, wrongDates...)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	for _, date := range dates {
		errs = append(errs, train.ValidateOn(date, "input")...)
		if len(errs) >= maxUnusable {
			errs = errs[:maxUnusable]
			break
		}
	}
	if len(errs) > 0 {
		return nil, nil, errs
	}
	runs := make([]*rail.Run, len(dates))
	for i, date := range dates {
		runs[i] = p.run(train, date, request.SaleOpens.on(date, originZone))
	}
	return train, runs, nil
}

// findStations finds the stations of calls, nil where there is none. Where one is missing, the timetable is brought up
// to date first: another server may have published the station a moment ago.
func (p *Publisher) findStations(ctx context.Context, calls []rail.Call) []*rail.Station {
	stations, all := p.lookUp(calls)
	if !all && p.Timetable != nil && p.Timetable.Refresh(ctx) == nil {
		stations, _ = p.lookUp(calls)
	}
	return stations
}

func (p *Publisher) lookUp(calls []rail.Call) (stations []*rail.Station, all bool) {
	stations, all = make([]*rail.Station, len(calls)), true
	for i, call := range calls {
		station, ok := p.Stations.Station(call.Station)
		if ok {
			stations[i] = station
		}
		all = all && ok
	}
	return stations, all
}

// tidy is the calls with fixed values where a value says nothing: for the arrival and alighting at the origin, and for
// the departure and boarding at the terminus. So equal trains have equal ids.
func tidy(calls []rail.Call) []rail.Call {
	calls = slices.Clone(calls)
	first, last := &calls[0], &calls[len(calls)-1]
	first.ArrivalSeconds, first.NoAlighting = first.DepartureSeconds, false
	last.DepartureSeconds, last.NoBoarding = last.ArrivalSeconds, false
	return calls
}

// labelled is the coaches with their numbers and the labels of their seats normalised.
func labelled(coaches []rail.Coach) []rail.Coach {
	coaches = slices.Clone(coaches)
	for i := range coaches {
		coach := &coaches[i]
		coach.Number, coach.Seats = rail.NormalizeLabel(coach.Number), slices.Clone(coach.Seats)
		for j := range coach.Seats {
			coach.Seats[j].Label = rail.NormalizeLabel(coach.Seats[j].Label)
		}
	}
	return coaches
}

// clocked gives each call the clock of its station. It changes the calls it is given.
func clocked(calls []rail.Call, stations []*rail.Station) []rail.Call {
	for i, station := range stations {
		calls[i].Clock = ""
		if station != nil {
			calls[i].Clock = station.TimeZone
		}
	}
	return calls
}

func (p *Publisher) run(train *rail.Train, date rail.Date, opens time.Time) *rail.Run {
	return &rail.Run{
		ID: rail.NewRunID(train.Number, date), Train: train, Date: date,
		SaleOpensAt: opens, ClosesBefore: p.ClosesBefore, Status: rail.Published,
	}
}

func count(publications []ledger.Publication) (created, changed, unchanged int) {
	for _, publication := range publications {
		switch publication.Outcome {
		case ledger.RunCreated:
			created++
		case ledger.RunChanged:
			changed++
		default:
			unchanged++
		}
	}
	return created, changed, unchanged
}

// untouched is a run's version until something is sold on it or decided about it.
const untouched = 1

// allFree is what is left, for every pair of calls, of the runs that have every seat free. They were created or
// changed, or were created by an earlier call, which may have failed to tell, and not touched since. The runs of one
// train share one list of counts.
func allFree(publications []ledger.Publication) []*rail.Availability {
	var left []*rail.Availability
	counts := map[*rail.Train][]uint16{}
	for _, publication := range publications {
		switch publication.Outcome {
		case ledger.RunCreated, ledger.RunChanged:
		case ledger.RunUnchanged:
			if publication.Version != untouched {
				continue
			}
		default:
			continue
		}
		run := publication.Run
		if counts[run.Train] == nil {
			counts[run.Train] = capacity(run.Train)
		}
		left = append(left, &rail.Availability{
			RunID: run.ID, TrainID: run.Train.ID, Version: publication.Version, Status: run.Status,
			Counts: counts[run.Train],
		})
	}
	return left
}

// left is what is left of runs after a publication: of those that have every seat free, and of those that the ledger
// has counted.
func (p *Publisher) left(ctx context.Context, publications []ledger.Publication) []*rail.Availability {
	left := allFree(publications)
	for _, publication := range publications {
		if publication.Left != nil {
			left = append(left, p.counted(ctx, publication.Left)...)
		}
	}
	return left
}

// capacity is the seats of every class, for every pair of calls.
func capacity(train *rail.Train) []uint16 {
	classes := train.Formation.Classes
	counts := make([]uint16, 0, rail.Pairs(len(train.Calls))*len(classes))
	for range rail.Pairs(len(train.Calls)) {
		for _, class := range classes {
			counts = append(counts, uint16(len(train.Formation.Seats(class))))
		}
	}
	return counts
}
