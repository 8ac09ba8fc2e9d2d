package watch

import (
	"math"
	"slices"
	"time"

	"interlock/services/rail"
)

// stations are where a subscriber boards and alights; "" is the origin, or the terminus. again counts, from the last,
// which of the train's ways from the one to the other it is: 0 but on a train that calls at both of them twice.
type stations struct {
	from, to rail.StationCode
	again    int
}

// ways are the stations once for each way that a train goes from the one to the other; none where it does not.
func (s stations) ways(train *rail.Train) []stations {
	if s.from != "" && s.to != "" {
		all := make([]stations, len(train.CallPairs(s.from, s.to)))
		for i := range all {
			all[i] = stations{s.from, s.to, len(all) - 1 - i}
		}
		return all
	}
	if _, _, ok := s.calls(train); ok {
		return []stations{s}
	}
	return nil
}

// calls finds the calls of a train to board and alight at. Between two stations, an order would be for the same ones.
// From the origin it is the first call at to where passengers alight, and to the terminus the last call at from where
// they board.
func (s stations) calls(train *rail.Train) (from, to int, ok bool) {
	last := len(train.Calls) - 1
	switch {
	case s == stations{}:
		return 0, last, true
	case s.from == "":
		to = 1 + slices.IndexFunc(train.Calls[1:], func(c rail.Call) bool {
			return c.Station == s.to && !c.NoAlighting
		})
		return 0, to, to > 0
	case s.to == "":
		for from = last - 1; from >= 0; from-- {
			if c := &train.Calls[from]; c.Station == s.from && !c.NoBoarding {
				return from, last, true
			}
		}
		return 0, 0, false
	}
	pairs := train.CallPairs(s.from, s.to)
	at := len(pairs) - 1 - s.again
	if at < 0 {
		return 0, 0, false
	}
	return pairs[at].From, pairs[at].To, true
}

// explain says why a passenger cannot go between two stations on a run.
func (s stations) explain(run *rail.Run) *rail.Error {
	calls := func(code rail.StationCode) bool {
		return slices.ContainsFunc(run.Train.Calls, func(c rail.Call) bool { return c.Station == code })
	}
	switch {
	case s.from != "" && !calls(s.from):
		return rail.Refuse(rail.BadUserInput, "%s does not call at %s", run.ID, rail.Quote(string(s.from))).At("from")
	case s.to != "" && !calls(s.to):
		return rail.Refuse(rail.BadUserInput, "%s does not call at %s", run.ID, rail.Quote(string(s.to))).At("to")
	case s.to == "":
		return rail.Refuse(rail.BadUserInput, "%s takes no passengers from %q to its terminus", run.ID,
			s.from).At("from")
	}
	return rail.Refuse(rail.BadUserInput, "%s takes no passengers from %q to %q", run.ID, s.from, s.to).At("to")
}

// pair is a run between two stations, which is read once for all its subscribers.
type pair struct {
	run       *watchedRun
	stations  stations
	interests []*interest
	// fresh is how many of the interests have not had their first event.
	fresh int
	// version is what every interest that is not fresh has got at least.
	version int64
	// dirty says that the pair is among Hub.dirtyPairs.
	dirty bool
	// heldSince is when an event began to wait for the timetable; zero when none does.
	heldSince time.Time
}

// count finds how many have been told nothing yet, and the lowest version that the others have. The hub's mutex is
// held.
func (p *pair) count() {
	p.fresh, p.version = 0, math.MaxInt64
	for _, s := range p.interests {
		if s.fresh {
			p.fresh++
		} else {
			p.version = min(p.version, s.version)
		}
	}
	if p.fresh == len(p.interests) {
		p.version = 0
	}
}

// news says what a snapshot tells the subscribers of its pair. Those that have had no event are told in any case.
type news uint8

const (
	// nothingNewer: its version is not known, or not later than what the others have.
	nothingNewer news = iota
	// waiting: it is later. The others get it when the timetable knows its status too, or when statusGrace is over.
	waiting
	// newer: it is later, and goes to all that have an earlier version.
	newer
)

// statusGrace is how long an event waits for the timetable to hear of a change of a run's status, too, so that the
// event can give the reason. The timetable looks twice a second.
const statusGrace = 500 * time.Millisecond

// news says what a snapshot tells at a time. statusMoved says that its status is another than the timetable's. An event
// begins to wait with the first such snapshot, and its wait ends with the first snapshot that is no reason to wait.
func (p *pair) news(snapshot *rail.Snapshot, statusMoved bool, now time.Time) news {
	isNew := snapshot.Left.Known && snapshot.Left.Version > p.version
	switch {
	case !isNew:
		p.heldSince = time.Time{}
		return nothingNewer
	case !statusMoved:
		p.heldSince = time.Time{}
		return newer
	case p.heldSince.IsZero():
		p.heldSince = now
	}
	if now.Sub(p.heldSince) < statusGrace {
		return waiting
	}
	return newer
}
