package gtfs

import (
	"fmt"
	"io/fs"
	"strings"
)

// Finding is one thing that a person should know of a feed: something that was left out, or that was worked out.
type Finding struct {
	// Kind is the sentence that all findings of one kind share, such as "trips with fewer than two stops are left out":
	// the heading of a list.
	Kind string
	// LeftOut tells that trips, or rows that matter to trips asked for, are not on sale because of it. Without it, the
	// finding is a notice.
	LeftOut bool
	// File and Line are where in the feed. Lines count from 1, and line 0 is the whole file. Without a file it is about
	// a run that is on sale already.
	File string
	Line int
	// Message says what it is, without file and line. It has at most maxMessage bytes.
	Message string
}

// String is the message behind its file and line.
func (f Finding) String() string {
	if f.File == "" {
		return f.Message
	}
	return at(f.File, f.Line) + ": " + f.Message
}

// at is how a place in a feed is written: "trips.txt:17", or "trips.txt" for the whole file.
func at(file string, line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// The kinds of what is left out. Of each kind, one finding is one trip, unless the kind says otherwise.
const (
	kindTrip         = "trips with a row of trips.txt that cannot be used are left out"
	kindNoRoute      = "trips of a route that does not exist are left out"
	kindRoute        = "trips of a route that cannot be used are left out"
	kindNoService    = "trips of a service that does not exist are left out"
	kindService      = "trips of a service that cannot be used are left out"
	kindServiceDates = "dates for which a service contradicts itself are left out"
	kindCall         = "trips with a row of stop_times.txt that cannot be used are left out"
	kindNoStop       = "trips with a stop that does not exist are left out"
	kindStop         = "trips with a stop that cannot be used are left out"
	kindFewStops     = "trips with fewer than two stops are left out"
	kindManyStops    = "trips with too many stops are left out"
	kindTimes        = "trips whose times are missing or go back are left out"
	kindDistances    = "trips with impossible distances are left out"
	kindHeadway      = "trips that run every so often, without a timetable, are left out"
	kindFrequency    = "trips with a row of frequencies.txt that cannot be used are left out"
)

// The kinds of notices.
const (
	kindUnit         = "distances are in another unit than kilometres"
	kindNoUnit       = "distances in no known unit are not used: straight lines are"
	kindEstimated    = "distances are straight lines between the stops"
	kindNoPosition   = "stops without a position: trains that call there have no distances"
	kindSpeed        = "trains faster than 600 km/h: is a position or a time wrong?"
	kindFares        = "fares of the feed are ignored: fares come from the templates"
	kindTranslations = "translations are ignored"
	kindCode         = "stations with another code than their own"
)

// leftOut makes the finding of something that is left out.
func leftOut(kind, file string, line int, format string, args ...any) *Finding {
	return &Finding{
		Kind: kind, LeftOut: true, File: file, Line: line, Message: shortened(fmt.Sprintf(format, args...)),
	}
}

// tell tells of a finding. What is left out of a feed that is read strictly refuses it: an error is all that was found,
// once that is enough.
func (r *reader) tell(finding *Finding) error {
	if finding.LeftOut && r.options.Strict {
		r.refusals = append(r.refusals, refuse(finding.File, finding.Line, "%s", finding.Message))
		if len(r.refusals) >= maxNamed {
			return r.refusals
		}
		return nil
	}
	if r.options.Found != nil {
		r.options.Found(*finding)
	}
	return nil
}

// notice tells of something that was worked out, and costs no trip.
func (r *reader) notice(kind, file string, line int, format string, args ...any) {
	if r.options.Found != nil {
		r.options.Found(Finding{
			Kind: kind, File: file, Line: line, Message: shortened(fmt.Sprintf(format, args...)),
		})
	}
}

// leaveOut leaves a trip out, and tells why. The first reason is the one that is told.
func (r *reader) leaveOut(trip int32, finding *Finding) error {
	if r.left[trip] {
		return nil
	}
	r.left[trip] = true
	return r.tell(finding)
}

// noticeFares tells of fares that are not read.
func (r *reader) noticeFares() error {
	entries, err := fs.ReadDir(r.fsys, ".")
	if err != nil {
		return unreadable(".", err)
	}
	told := 0
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "fare_") && strings.HasSuffix(name, ".txt") && told < maxNamed {
			r.notice(kindFares, name, 0, "it is ignored")
			told++
		}
	}
	return nil
}
