package publish

import (
	"cmp"
	"context"
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

// plan makes the trains, and tells request.Findings of those that cannot be sold. It adds the trains, the runs and
// their kinds to the report. It opens the ledger once the templates fit.
func (p *Publisher) plan(ctx context.Context, request *ImportRequest, report *ImportReport) (plan, error) {
	if err := p.validateImport(request); err != nil {
		return nil, err
	}
	m := newPlanner(request)
	if err := m.checkRuns(); err != nil {
		return nil, err
	}
	var err error
	if m.fares, err = request.Templates.faresBetween(request.Feed); err != nil {
		return nil, err
	}
	m.noticeDatesBeyond()
	if err := m.checkKinds(); err != nil {
		return nil, err
	}
	if request.Open != nil {
		if err := request.Open(); err != nil {
			return nil, err
		}
	}
	request.others, err = p.Ledger.OtherStations(ctx, request.owner.Name, codesOf(request.Feed.Stations))
	if err != nil {
		return nil, err
	}
	m.stations = compareStations(request)
	for _, trip := range request.Feed.Trips {
		m.add(trip)
	}
	if err := m.refusal(); err != nil {
		return nil, err
	}
	m.noticeKinds()
	m.stations.notice(request)
	m.fares.noticeUnknown(request.Findings)
	report.Trains, report.Runs, report.Kinds = len(m.all), m.runs, m.sold()
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

// The kinds of what a plan leaves out.
const (
	kindUnsold      = "trains that cannot be sold are left out"
	kindElsewhere   = "trains that call where a station of the same code is another place are left out"
	kindNumberTaken = "trains whose number another train has on the same date are left out"
)

// planner makes a plan of an import, trip by trip.
type planner struct {
	request *ImportRequest
	numbers numbering
	dates   serviceDatesOf
	// zones are the time zones of the feed's stations.
	zones map[rail.StationCode]*time.Location
	fares *trainFares
	// stations are those that are not the feed's own.
	stations otherStations
	// all are the trains that can be sold, and runs how many runs they have.
	all   plan
	runs  int
	taken takenNumbers
	// left are the trips that cannot be sold, as refusals for an import that is strict.
	left unusable
	// missing has the numbers of trains for which there is neither a template nor a default, by their kind.
	missing map[string][]string
	// kinds count what is sold and skipped, by kind.
	kinds map[string]*KindReport
}

func newPlanner(request *ImportRequest) *planner {
	m := &planner{
		request: request,
		numbers: numbering{request.NumberFrom, request.NumberWithAgency},
		dates:   serviceDatesOf{request.From, request.Days, map[*gtfs.Service][]rail.Date{}},
		zones:   make(map[rail.StationCode]*time.Location, len(request.Feed.Stations)),
		taken:   takenNumbers{map[string]int32{}, map[numberOn]*gtfs.Trip{}},
		missing: map[string][]string{},
		kinds:   map[string]*KindReport{},
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

// checkKinds refuses a feed of which a train has neither a template nor a default, and one of which no train runs that
// is not skipped.
func (m *planner) checkKinds() error {
	running := false
	for _, trip := range m.request.Feed.Trips {
		if len(m.dates.of(trip.Service)) == 0 {
			continue
		}
		number := m.numbers.of(trip)
		switch _, template := m.request.Templates.find(trip, number); {
		case template == nil:
			word := kindOf(trip, number)
			m.missing[word] = append(m.missing[word], number)
		case template.Skip:
			m.count(template.name).Skipped++
		default:
			running = true
		}
	}
	if !running || len(m.missing) > 0 {
		return m.refusal()
	}
	return nil
}

// noticeDatesBeyond tells of dates asked for on which the feed has nothing yet, or no more.
func (m *planner) noticeDatesBeyond() {
	from, through := m.request.From, m.request.From.AddDays(m.request.Days-1)
	first, last := m.request.Feed.From, m.request.Feed.Through
	if last == 0 || from >= first && through <= last {
		return
	}
	beyond := max(0, min(first-1, through)-from+1) + max(0, through-max(last+1, from)+1)
	m.request.Findings.Add(gtfs.Finding{
		Kind: "dates asked for are beyond the feed's own",
		File: "calendar.txt",
		Message: fmt.Sprintf("the feed's dates are %s through %s: %d of the %d dates asked for are not among them",
			first, last, beyond, m.request.Days),
	})
}

// add plans one trip, if it runs on any of the dates, or tells why it cannot be sold.
func (m *planner) add(trip *gtfs.Trip) {
	dates := m.dates.of(trip.Service)
	if len(dates) == 0 {
		return
	}
	number := m.numbers.of(trip)
	kind, template := m.request.Templates.find(trip, number)
	if template.Skip {
		return
	}
	shown := m.numbers.agencyOf(trip) + number
	if says := m.stations.elsewhere(trip.Calls); says != "" {
		m.leaveOut(kindElsewhere, trip, shown, says)
		return
	}
	train := rail.NewTrain(shown, kind, m.request.Feed.TimeZone, trip.Calls, template.Formation,
		m.fares.of(template, trip.Calls))
	if errs := train.Validate(); len(errs) > 0 {
		m.leaveOut(kindUnsold, trip, shown, errs[0].Message)
		return
	}
	if dates = m.take(trip, shown, dates); len(dates) == 0 {
		return
	}
	m.sell(trip, number, template, len(dates))
	m.stations.use(trip.Calls)
	m.all = append(m.all, planned{train, m.zones[train.Calls[0].Station], dates})
	m.runs += len(dates)
}

// sell counts a train that is sold, by the name of its template; by the trip's own kind where that is the default.
func (m *planner) sell(trip *gtfs.Trip, number string, template *Template, runs int) {
	name, byDefault := template.name, template == m.request.Templates.fallback
	if byDefault {
		name = kindOf(trip, number)
	}
	kind := m.count(name)
	kind.Trains, kind.Runs, kind.ByDefault = kind.Trains+1, kind.Runs+runs, byDefault
}

// take gives a trip its numbers on some dates, and returns those on which no trip of an earlier line has one of them.
// Whether a trip is sold on a date depends on the trips of that date alone, so that importing other dates is the same.
func (m *planner) take(trip *gtfs.Trip, number string, dates []rail.Date) []rail.Date {
	parts := m.taken.ids(m.numbers.parts(trip))
	var free []rail.Date
	var other *gtfs.Trip
	var on rail.Date
	for _, date := range dates {
		if holder := m.taken.holder(parts, date); holder == nil {
			m.taken.take(parts, date, trip)
			free = append(free, date)
		} else if other == nil {
			other, on = holder, date
		}
	}
	if other == nil {
		return dates
	}
	says := fmt.Sprintf("trip %q in line %d is train %s on %s too", other.ID, other.Line, m.number(other), on)
	if len(free) > 0 {
		says += fmt.Sprintf("; it is left out on %d of its %d dates", len(dates)-len(free), len(dates))
	}
	if trip.Route.AgencyID != other.Route.AgencyID {
		says += fmt.Sprintf("; they are of two agencies, %q and %q, which a number can tell apart "+
			"(--number-with-agency)", agencyWord(trip), agencyWord(other))
	}
	m.leaveOut(kindNumberTaken, trip, number, says)
	return free
}

func (m *planner) number(trip *gtfs.Trip) string {
	return m.numbers.agencyOf(trip) + m.numbers.of(trip)
}

func agencyWord(trip *gtfs.Trip) string { return cmp.Or(trip.Route.AgencyID, trip.Route.AgencyName) }

// leaveOut tells of a trip that is not sold, or not on all its dates.
func (m *planner) leaveOut(kind string, trip *gtfs.Trip, number, says string) {
	finding := gtfs.Finding{
		Kind: kind, LeftOut: true, File: "trips.txt", Line: trip.Line,
		Message: short(fmt.Sprintf("train %s (trip %q): %s", number, trip.ID, says)),
	}
	m.request.Findings.Add(finding)
	m.left.add(finding)
}

// refusal names what keeps an import from being made: kinds without a template, nothing to sell, and in a strict import
// all that would be left out. It is nil where there is nothing of that.
func (m *planner) refusal() error {
	var errs rail.Errors
	for n, kind := range slices.Sorted(maps.Keys(m.missing)) {
		if n == maxListed {
			errs.Add(rail.Invalid, nil, "%d more kinds have no template", len(m.missing)-n)
			break
		}
		errs.Add(rail.Invalid, nil, "kind %q has no template, and the templates have no default: %s", short(kind),
			some(m.missing[kind]))
	}
	if m.request.Strict {
		errs = append(errs, m.left.all()...)
	}
	if len(errs) > 0 {
		return errs
	}
	if len(m.all) > 0 {
		return nil
	}
	from, through := m.request.From, m.request.From.AddDays(m.request.Days-1)
	if n := m.request.Findings.LeftOut(); n > 0 {
		return rail.Refuse(rail.Invalid, "no train of the feed can be sold from %s through %s", from, through)
	}
	if len(m.kinds) > 0 {
		return rail.Refuse(rail.Invalid, "the templates skip every train of the feed from %s through %s", from, through)
	}
	text := fmt.Sprintf("no train of the feed runs from %s through %s", from, through)
	if last := m.request.Feed.Through; last != 0 {
		text += fmt.Sprintf("; the feed's dates are %s through %s", m.request.Feed.From, last)
	}
	return rail.Refuse(rail.Invalid, "%s", text)
}

// count is the report of a kind.
func (m *planner) count(kind string) *KindReport {
	if m.kinds[kind] == nil {
		m.kinds[kind] = &KindReport{Kind: kind}
	}
	return m.kinds[kind]
}

// sold are the kinds of which trains are sold or skipped, in their order.
func (m *planner) sold() []KindReport {
	var sold []KindReport
	for _, kind := range slices.Sorted(maps.Keys(m.kinds)) {
		sold = append(sold, *m.kinds[kind])
	}
	return sold
}

// noticeKinds tells of the kinds whose trains have the default template, and of those that are skipped.
func (m *planner) noticeKinds() {
	for _, kind := range m.sold() {
		if kind.ByDefault {
			m.request.Findings.Add(gtfs.Finding{
				Kind: "kinds without a template have the default's coaches and fares", File: "routes.txt",
				Message: short(fmt.Sprintf("kind %q: %s", kind.Kind, Counted(kind.Trains, "train"))),
			})
		}
		if kind.Skipped > 0 {
			m.request.Findings.Add(gtfs.Finding{
				Kind: "kinds that the templates skip", File: "routes.txt",
				Message: short(fmt.Sprintf("kind %q: %s", kind.Kind, Counted(kind.Skipped, "trip"))),
			})
		}
	}
}

// Counted is a number of things in words: "1 train", "2 trains".
func Counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
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

// takenNumbers remembers which trip has which number on which date. Numbers are counted, so that a run takes some 30
// bytes.
type takenNumbers struct {
	known map[string]int32
	by    map[numberOn]*gtfs.Trip
}

// numberOn is a number on a date.
type numberOn struct {
	number int32
	date   rail.Date
}

func (t *takenNumbers) ids(numbers []string) []int32 {
	ids := make([]int32, len(numbers))
	for i, number := range numbers {
		id, ok := t.known[number]
		if !ok {
			id = int32(len(t.known))
			t.known[number] = id
		}
		ids[i] = id
	}
	return ids
}

// holder is a trip that has one of the numbers on a date, nil where none has.
func (t *takenNumbers) holder(numbers []int32, date rail.Date) *gtfs.Trip {
	for _, number := range numbers {
		if trip := t.by[numberOn{number, date}]; trip != nil {
			return trip
		}
	}
	return nil
}

func (t *takenNumbers) take(numbers []int32, date rail.Date, trip *gtfs.Trip) {
	for _, number := range numbers {
		t.by[numberOn{number, date}] = trip
	}
}

// unusable collects the trains that cannot be sold, for a refusal.
type unusable struct {
	errs rail.Errors
	more int
}

func (u *unusable) add(finding gtfs.Finding) {
	if len(u.errs) == maxListed {
		u.more++
		return
	}
	u.errs.Add(rail.Invalid, nil, "%s", finding)
}

// all are the first that were collected, and how many more there are.
func (u *unusable) all() rail.Errors {
	errs := u.errs
	if u.more > 0 {
		errs.Add(rail.Invalid, nil, "%d more would be left out", u.more)
	}
	return errs
}

// maxMessage is how many bytes the message of a finding has at most: it may quote a field of any length.
const maxMessage = 500

// short is a message of at most maxMessage bytes.
func short(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + " …"
}

// some names a few of many trains.
func some(numbers []string) string {
	const named = 5
	if len(numbers) <= named {
		return strings.Join(numbers, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(numbers[:named], ", "), len(numbers)-named)
}
