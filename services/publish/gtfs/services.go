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
	// exceptions are dates that were added (true) or taken away (false).
	exceptions map[rail.Date]bool
}

// RunsOn tells whether a date is one of the service's.
func (s *Service) RunsOn(date rail.Date) bool {
	if added, ok := s.exceptions[date]; ok {
		return added
	}
	return s.calendar && date >= s.start && date <= s.end && s.weekdays[date.Weekday()]
}

func (r *reader) readServices() error {
	r.services = map[string]*Service{}
	if exists(r.fsys, "calendar.txt") {
		if err := r.readCalendar(); err != nil {
			return err
		}
	}
	if exists(r.fsys, "calendar_dates.txt") {
		return r.readCalendarDates()
	}
	return nil
}

// weekdayColumns are the columns of calendar.txt for the days of the week, as time.Weekday counts them.
var weekdayColumns = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// readCalendar reads the services that run on days of the week.
func (r *reader) readCalendar() error {
	t, err := r.open("calendar.txt", append([]string{"service_id", "start_date", "end_date"}, weekdayColumns[:]...)...)
	if err != nil {
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
		service, err := r.service(t, id)
		if err != nil {
			return err
		}
		if service.calendar {
			return t.refuse("service %q is there twice", t.get(id))
		}
		service.calendar = true
		if service.start, err = date(t, start, "start_date"); err != nil {
			return err
		}
		if service.end, err = date(t, end, "end_date"); err != nil {
			return err
		}
		if service.end < service.start {
			return t.refuse("end_date %s is before start_date %s", service.end, service.start)
		}
		for day, column := range weekdays {
			switch t.get(column) {
			case "1":
				service.weekdays[day] = true
			case "0":
			default:
				return t.refuse("%s %q is not 0 or 1", weekdayColumns[day], t.get(column))
			}
		}
	}
	return nil
}

// readCalendarDates reads the dates on which services run besides, or do not run.
func (r *reader) readCalendarDates() error {
	t, err := r.open("calendar_dates.txt", "service_id", "date", "exception_type")
	if err != nil {
		return err
	}
	defer t.close()
	id, day, exception := t.column("service_id"), t.column("date"), t.column("exception_type")
	for err := range t.rows() {
		if err != nil {
			return err
		}
		service, err := r.service(t, id)
		if err != nil {
			return err
		}
		on, err := date(t, day, "date")
		if err != nil {
			return err
		}
		kind := t.get(exception)
		if kind != "1" && kind != "2" {
			return t.refuse("exception_type %q is not 1 (added) or 2 (taken away)", kind)
		}
		if before, twice := service.exceptions[on]; twice && before != (kind == "1") {
			return t.refuse("service %q has %s both added and taken away", t.get(id), on)
		}
		if _, again := service.exceptions[on]; again {
			continue
		}
		if err := t.keep(keptException); err != nil {
			return err
		}
		if service.exceptions == nil {
			service.exceptions = map[rail.Date]bool{}
		}
		service.exceptions[on] = kind == "1"
	}
	return nil
}

// service is the service with the id in a column, made at its first mention.
func (r *reader) service(t *table, column int) (*Service, error) {
	id := t.get(column)
	if id == "" {
		return nil, t.refuse("service_id is empty")
	}
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
func date(t *table, column int, name string) (rail.Date, error) {
	text := t.get(column)
	parsed, err := time.Parse("20060102", text)
	if err != nil {
		return 0, t.refuse("%s %q is not a date like 20191012", name, text)
	}
	day, err := rail.ParseDate(parsed.Format(time.DateOnly))
	if err != nil {
		return 0, t.refuse("%s: %v", name, err)
	}
	return day, nil
}
