package gtfs

import (
	"strings"
	"time"

	"interlock/services/rail"
)

// Service is a set of dates.
type Service struct {
	weekdays   [len(weekdayColumns)]bool
	start, end rail.Date
	// calendar says whether weekdays, start and end mean anything: a service may have exceptions only.
	calendar bool
	// exceptions are dates that were added (true) or taken away (false). Dates not asked for are not among them.
	exceptions map[rail.Date]bool

	// fault is why no trip of the service can be used, and is in a line of a file; "" where all can.
	fault, file string
	line        int
	// doubts are dates for which the service contradicts itself. They are told once, for the first trip asked for.
	doubts []*Finding
}

// RunsOn tells whether a date is one of the service's. It knows the dates that were asked for.
func (s *Service) RunsOn(date rail.Date) bool {
	if added, ok := s.exceptions[date]; ok {
		return added
	}
	return s.calendar && date >= s.start && date <= s.end && s.weekdays[date.Weekday()]
}

func (r *reader) readServices() error {
	r.services = map[string]*Service{}
	if err := r.readCalendar(); err != nil {
		return err
	}
	return r.readCalendarDates()
}

// weekdayColumns are the columns of calendar.txt for the days of the week, as time.Weekday counts them.
var weekdayColumns = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// readCalendar reads the services that run on days of the week.
func (r *reader) readCalendar() error {
	t, err := r.openIfAny("calendar.txt",
		append([]string{"service_id", "start_date", "end_date"}, weekdayColumns[:]...)...)
	if err != nil || t == nil {
		return err
	}
	defer t.close()
	id, start, end := t.column("service_id"), t.column("start_date"), t.column("end_date")
	var weekdays [len(weekdayColumns)]int
	for day, name := range weekdayColumns {
		weekdays[day] = t.column(name)
	}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		calendar := Service{calendar: true, start: t.date(start, "start_date"), end: t.date(end, "end_date")}
		if t.fault == "" && calendar.end < calendar.start {
			t.wrong("end_date %s is before start_date %s", calendar.end, calendar.start)
		}
		for day, column := range weekdays {
			switch t.get(column) {
			case "1":
				calendar.weekdays[day] = true
			case "0":
			default:
				t.wrong("%s %q is not 0 or 1", weekdayColumns[day], t.get(column))
			}
		}
		if err := r.addCalendar(t, t.get(id), &calendar); err != nil {
			return err
		}
	}
	return nil
}

// addCalendar adds a row of calendar.txt. A row that is there again changes nothing; where the two differ, neither can
// be used.
func (r *reader) addCalendar(t *table, id string, calendar *Service) error {
	service, err := r.service(t, id)
	if err != nil {
		return err
	}
	if service.calendar && (service.weekdays != calendar.weekdays || service.start != calendar.start ||
		service.end != calendar.end) {
		t.wrong("service %q is there twice, and differs", id)
	}
	service.calendar, service.weekdays = true, calendar.weekdays
	service.start, service.end = calendar.start, calendar.end
	if t.fault == "" && calendar.weekdays != [len(weekdayColumns)]bool{} {
		r.spans(calendar.start, calendar.end)
	}
	return service.fail(t)
}

// spans notes dates that a service runs on, or may run on.
func (r *reader) spans(from, through rail.Date) {
	if r.feed.From == 0 && r.feed.Through == 0 {
		r.feed.From, r.feed.Through = from, through
		return
	}
	r.feed.From, r.feed.Through = min(r.feed.From, from), max(r.feed.Through, through)
}

// readCalendarDates reads the dates on which services run besides, or do not run.
func (r *reader) readCalendarDates() error {
	t, err := r.openIfAny("calendar_dates.txt", "service_id", "date", "exception_type")
	if err != nil || t == nil {
		return err
	}
	defer t.close()
	id, day, exception := t.column("service_id"), t.column("date"), t.column("exception_type")
	for err := range t.rows() {
		if err != nil {
			return err
		}
		on, kind := t.date(day, "date"), t.get(exception)
		known := t.fault == ""
		if known && kind == "1" {
			r.spans(on, on)
		}
		if known && !r.asked.hasDate(on) {
			continue
		}
		service, err := r.service(t, t.get(id))
		if err != nil {
			return err
		}
		if !known { // It may be any date.
			err = service.fail(t)
		} else {
			err = service.except(t, on, kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// except notes a date that is added or taken away. The service does not run on one for which it contradicts itself.
func (s *Service) except(t *table, on rail.Date, kind string) error {
	before, again := s.exceptions[on]
	added := kind == "1"
	switch {
	case kind != "1" && kind != "2":
		t.wrong("exception_type %q of %s is not 1 (added) or 2 (taken away)", kind, on)
	case again && before != added:
		t.wrong("service %q has %s both added and taken away", t.get(t.column("service_id")), on)
	}
	if t.fault != "" && len(s.doubts) < maxNamed {
		if err := t.keep(keptException, t.fault); err != nil {
			return err
		}
		s.doubts = append(s.doubts, leftOut(kindServiceDates, t.name, t.line, "%s", t.fault))
	}
	if !again {
		if err := t.keep(keptException); err != nil {
			return err
		}
	}
	if s.exceptions == nil {
		s.exceptions = map[rail.Date]bool{}
	}
	s.exceptions[on] = added && t.fault == ""
	return nil
}

// fail notes that the service cannot be used, if something is wrong with the row.
func (s *Service) fail(t *table) error {
	if t.fault == "" || s.fault != "" {
		return nil
	}
	s.fault, s.file, s.line = t.fault, t.name, t.line
	return t.keep(0, t.fault)
}

// service is the service with an id, made at its first mention.
func (r *reader) service(t *table, id string) (*Service, error) {
	service := r.services[id]
	if service == nil {
		if err := t.keep(keptService, id); err != nil {
			return nil, err
		}
		service = &Service{}
		r.services[strings.Clone(id)] = service
	}
	return service, nil
}

// date reads YYYYMMDD.
func (t *table) date(column int, name string) rail.Date {
	text := t.get(column)
	parsed, err := time.Parse("20060102", text)
	if err != nil {
		t.wrong("%s %q is not a date like 20191012", name, text)
		return 0
	}
	day, err := rail.ParseDate(parsed.Format(time.DateOnly))
	if err != nil {
		t.wrong("%s: %v", name, err)
	}
	return day
}
