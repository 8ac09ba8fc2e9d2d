package publish

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// planned is a train and the dates it is to run on.
type planned struct {
	train *rail.Train
	// origin is the time zone of the station it starts from.
	origin *time.Location
	dates  []rail.Date
}

type plan []planned

// plan makes the trains, or names those that cannot be sold. It adds the trains, the runs and its notices to the
// report.
func (p *Publisher) plan(request *ImportRequest, report *ImportReport) (plan, error) {
	if err := p.validateImport(request); err != nil {
		return nil, err
	}
	m := newPlanner(request)
	if err := m.checkRuns(); err != nil {
		return nil, err
	}
	var err error
	if m.fares, err = request.Templates.faresBetween(request.Feed.Stations); err != nil {
		return nil, err
	}
	for _, trip := range request.Feed.Trips {
		m.add(trip)
	}
	if err := m.refusal(); err != nil {
		return nil, err
	}
	report.Trains, report.Runs = len(m.all), m.runs
	report.Notices = append(report.Notices, m.notices()...)
	return m.all, nil
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

// planner makes a plan of an import, trip by trip.
type planner struct {
	request *ImportRequest
	dates   serviceDatesOf
	// zones are the time zones of the feed's stations.
	zones map[rail.StationCode]*time.Location
	fares *trainFares
	// all are the trains that can be sold, and runs how many runs they have.
	all  plan
	runs int
	// taken has the trip of each run of all.
	taken map[rail.RunID]*gtfs.Trip
	// unusable are the trips that cannot be sold.
	unusable unusable
	// missing has the numbers of trains for which there is neither a template nor a default, by their kind.
	missing map[string][]string
	// byDefault counts the trains that have the default template, by their kind.
	byDefault map[string]int
}

func newPlanner(request *ImportRequest) *planner {
	m := &planner{
		request:   request,
		dates:     serviceDatesOf{request.From, request.Days, map[*gtfs.Service][]rail.Date{}},
		zones:     make(map[rail.StationCode]*time.Location, len(request.Feed.Stations)),
		taken:     map[rail.RunID]*gtfs.Trip{},
		missing:   map[string][]string{},
		byDefault: map[string]int{},
	}
	for _, station := range request.Feed.Stations {
		m.zones[station.Code] = station.Location()
	}
	return m
}

// checkRuns refuses a feed with more than maxImportRuns runs, before any of them is looked at.
func (m *planner) checkRuns() error {
	runs := 0
	for _, trip := range m.request.Feed.Trips {
		if runs += len(m.dates.of(trip.Service)); runs > maxImportRuns {
			return rail.Refuse(rail.Invalid,
				"trips.txt:%d: the trips up to here make more than %d runs in %d days: import fewer days at a time",
				trip.Line, maxImportRuns, m.request.Days)
		}
	}
	return nil
}

// add plans one trip, if it runs on any of the dates, or notes why it cannot be sold.
func (m *planner) add(trip *gtfs.Trip) {
	dates := m.dates.of(trip.Service)
	if len(dates) == 0 {
		return
	}
	kind, template := m.request.Templates.Of(trip)
	if template == nil {
		m.missing[kindOf(trip)] = append(m.missing[kindOf(trip)], trip.Number)
		return
	}
	if template == m.request.Templates.fallback {
		m.byDefault[kindOf(trip)]++
	}
	train := rail.NewTrain(trip.Number, kind, m.request.Feed.TimeZone, trip.Calls, template.Formation,
		m.fares.of(template, trip.Calls))
	if errs := train.Validate(); len(errs) > 0 {
		m.unusable.add(trip, "%s", errs[0].Message)
		return
	}
	m.take(trip, train, dates)
	m.all = append(m.all, planned{train, m.zones[train.Calls[0].Station], dates})
	m.runs += len(dates)
}

// take gives a trip the runs of its train on some dates. A run that another trip has makes it unusable.
func (m *planner) take(trip *gtfs.Trip, train *rail.Train, dates []rail.Date) {
	for _, date := range dates {
		id := rail.NewRunID(train.Number, date)
		if other := m.taken[id]; other != nil {
			m.unusable.add(trip, "trip %q in line %d is train %s on %s too", other.ID, other.Line, trip.Number, date)
			return
		}
		m.taken[id] = trip
	}
}

// refusal names what cannot be sold; nil where all can be, and there is a train.
func (m *planner) refusal() error {
	for n, kind := range slices.Sorted(maps.Keys(m.missing)) {
		if n == maxUnusable {
			m.unusable.errs.Add(rail.Invalid, nil, "%d more kinds have no template", len(m.missing)-n)
			break
		}
		m.unusable.errs.Add(rail.Invalid, nil, "kind %q has no template, and the templates have no default: %s", kind,
			some(m.missing[kind]))
	}
	if err := m.unusable.orNil(); err != nil {
		return err
	}
	if from := m.request.From; len(m.all) == 0 {
		return rail.Refuse(rail.Invalid, "no train of the feed runs from %s through %s", from,
			from.AddDays(m.request.Days-1))
	}
	return nil
}

// notices tell of the kinds whose trains have the default template.
func (m *planner) notices() []string {
	notices := m.fares.unknown()
	for n, kind := range slices.Sorted(maps.Keys(m.byDefault)) {
		if n == maxNotices {
			more := len(m.byDefault) - n
			return append(notices, fmt.Sprintf("%d more kinds have no template: their trains have the default's", more))
		}
		notices = append(notices, fmt.Sprintf("kind %q has no template: %d trains have the default's coaches and fares",
			kind, m.byDefault[kind]))
	}
	return notices
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
	u.errs.Add(rail.Invalid, nil, "trips.txt:%d: train %s (trip %q): %s", trip.Line, trip.Number, trip.ID,
		fmt.Sprintf(format, args...))
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
