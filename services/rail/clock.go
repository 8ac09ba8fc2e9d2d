package rail

import (
	"fmt"
	"time"
)

// at is the instant of a call's time on a service date.
func (t *Train) at(date Date, call int, seconds int32) time.Time {
	if t.clocks != nil && t.clocks[call] != nil {
		return date.clock(seconds, t.clocks[call])
	}
	return date.ServiceStart(t.location).Add(time.Duration(seconds) * time.Second)
}

// ValidateOn lists what is wrong with the calls' times on one service date, each with its path below at. A station's
// clock may never show a time on that date, or show it twice, and a train may be at a call before it left the call
// before. Only times by a Clock can be wrong in this way. The order of the others was checked by Validate.
func (t *Train) ValidateOn(date Date, at ...string) Errors {
	if t.clocks == nil {
		return nil
	}
	var errs Errors
	var last time.Time
	for i := range t.Calls {
		call := &t.Calls[i]
		for _, side := range []struct {
			name    string
			seconds int32
			says    bool
		}{{"arrival", call.ArrivalSeconds, i > 0}, {"departure", call.DepartureSeconds, i < t.Legs()}} {
			if !side.says {
				continue
			}
			path := under(at, "calls", Index(i), side.name)
			instant, shown := t.at(date, i, side.seconds), 1
			if t.clocks[i] != nil {
				instant, shown = date.Clock(side.seconds, t.clocks[i])
			}
			switch {
			case shown == 0:
				errs.Add(Invalid, path, "the run of %s: at %s the clock (%s) is put forward and never shows %s", date,
					call.Station, call.Clock, face(side.seconds))
			case shown == 2:
				errs.Add(Invalid, path, "the run of %s: at %s the clock (%s) is put back and shows %s twice", date,
					call.Station, call.Clock, face(side.seconds))
			case instant.Before(last):
				errs.Add(Invalid, path, "the run of %s: the train is at %s at %s, before it left the call before", date,
					call.Station, face(side.seconds))
			}
			if shown == 1 {
				last = instant
			}
		}
	}
	return errs
}

// face is a time as a timetable prints it, over 24:00 after midnight.
func face(seconds int32) string {
	text := fmt.Sprintf("%02d:%02d", seconds/3_600, seconds/60%60)
	if seconds%60 != 0 {
		text += fmt.Sprintf(":%02d", seconds%60)
	}
	return text
}
