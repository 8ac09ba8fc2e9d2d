package seats

import "math"

// Optimum is the most seat-metres of the parties' passengers that a cabin's seats could carry, if all demand were known
// beforehand, anyone might be refused, and parties might be taken in part. It is exact for passengers who travel alone.
// For parties it is an upper bound.
//
// To choose intervals of the largest weight for k identical seats is a flow of k units of least cost along the run: a
// unit is a seat, calls are nodes, each passenger is an arc from call to call of capacity 1 and cost 0, and staying
// empty on a leg costs its length (Arkin and Silverberg, Scheduling jobs with fixed start and end times, 1987).
// Passengers between the same calls are one arc. Flows of integers are integral, so no seat is shared. The flow is
// found along successive shortest paths with Johnson's potentials (Edmonds and Karp, 1972).
func Optimum(c *Cabin, parties []Party) int64 {
	o := newOptimum(c)
	for _, p := range parties {
		o.waiting[p.From*o.calls+p.To] += p.Size()
	}
	empty := int64(0)
	for seats := c.Seats; seats > 0; {
		o.findPath()
		n, cost := o.pushPath(seats)
		seats -= n
		empty += int64(n) * cost
	}
	return c.SeatMetres() - empty
}

// optimum is a flow that is being made.
type optimum struct {
	calls  int
	metres []int32
	// waiting and carried are passengers by pair of calls (from × calls + to): those without a seat and those with one.
	// empty is how many seats stay empty on each leg.
	waiting, carried []int
	empty            []int

	// potential is what each call was away from the first in the paths so far; distance, done and before are of the
	// path that is being looked for.
	potential, distance []int64
	done                []bool
	before              []step
}

// step is how a path reaches a call.
type step struct {
	from int
	// byLeg is along a leg without a passenger, otherwise with one.
	byLeg bool
}

func newOptimum(c *Cabin) *optimum {
	calls := len(c.Metres)
	return &optimum{
		calls: calls, metres: c.Metres,
		waiting: make([]int, calls*calls), carried: make([]int, calls*calls), empty: make([]int, calls-1),
		potential: make([]int64, calls), distance: make([]int64, calls), done: make([]bool, calls),
		before: make([]step, calls),
	}
}

// findPath finds the cheapest way for one more seat from the first call to the last, undoing what others do where that
// helps (Dijkstra; costs less the potentials' differences are never negative).
func (o *optimum) findPath() {
	for at := range o.distance {
		o.distance[at], o.done[at] = math.MaxInt64, false
	}
	o.distance[0] = 0
	for range o.calls {
		at := -1
		for call := range o.calls {
			if !o.done[call] && o.distance[call] < math.MaxInt64 && (at < 0 || o.distance[call] < o.distance[at]) {
				at = call
			}
		}
		if at < 0 {
			break
		}
		o.done[at] = true
		o.reachFrom(at)
	}
	// Every call can be reached, since a seat may stay empty all the way.
	for at := range o.potential {
		o.potential[at] += o.distance[at]
	}
}

func (o *optimum) reachFrom(at int) {
	for to := range o.calls {
		if to > at && o.waiting[at*o.calls+to] > 0 || to < at && o.carried[to*o.calls+at] > 0 {
			o.reach(to, step{at, false}, 0)
		}
	}
	if at+1 < o.calls {
		o.reach(at+1, step{at, true}, o.length(at))
	}
	if at > 0 && o.empty[at-1] > 0 {
		o.reach(at-1, step{at, true}, -o.length(at-1))
	}
}

func (o *optimum) reach(to int, by step, cost int64) {
	if distance := o.distance[by.from] + cost + o.potential[by.from] - o.potential[to]; distance < o.distance[to] {
		o.distance[to], o.before[to] = distance, by
	}
}

func (o *optimum) length(leg int) int64 { return int64(o.metres[leg+1] - o.metres[leg]) }

// pushPath sends as many seats as can go along the path that was found, at most so many, and answers what each costs.
func (o *optimum) pushPath(most int) (n int, cost int64) {
	n = most
	for at := o.calls - 1; at > 0; at = o.before[at].from {
		from, byLeg := o.before[at].from, o.before[at].byLeg
		switch {
		case byLeg && from > at:
			n = min(n, o.empty[at])
		case byLeg:
		case from < at:
			n = min(n, o.waiting[from*o.calls+at])
		default:
			n = min(n, o.carried[at*o.calls+from])
		}
	}
	for at := o.calls - 1; at > 0; at = o.before[at].from {
		from, byLeg := o.before[at].from, o.before[at].byLeg
		switch {
		case byLeg && from < at:
			o.empty[from] += n
			cost += o.length(from)
		case byLeg:
			o.empty[at] -= n
			cost -= o.length(at)
		case from < at:
			o.waiting[from*o.calls+at] -= n
			o.carried[from*o.calls+at] += n
		default:
			o.carried[at*o.calls+from] -= n
			o.waiting[at*o.calls+from] += n
		}
	}
	return n, cost
}
