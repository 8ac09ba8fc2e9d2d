package attack

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"interlock/lab/load"
	"interlock/lab/sell"
	"interlock/services/audit"
)

// The bounds of every attack.
const (
	// MaxRatio is how many times as long buyers may wait, at p99, as beside as many requests to a static handler.
	MaxRatio = 2.0
	// MaxGrowthMegabytes is how much the server's memory may grow.
	MaxGrowthMegabytes = 300.0
	// minServed is what part of the orders buyers must get that they get beside static requests: a buyer that is turned
	// away has no wait that counts.
	minServed = 0.9
)

// Report is the one document that `lab attack` prints.
type Report struct {
	StartedAt time.Time         `json:"started_at"`
	Command   string            `json:"command"`
	Machine   sell.Machine      `json:"machine"`
	Versions  map[string]string `json:"versions"`
	Seed      uint64            `json:"seed"`
	// Seconds is how long a window is, OfferedPerSecond how many buyers come in each second of it.
	Seconds            float64 `json:"seconds"`
	OfferedPerSecond   float64 `json:"offered_per_second"`
	MaxRatio           float64 `json:"max_ratio"`
	MaxGrowthMegabytes float64 `json:"max_growth_mb"`

	Attacks []*Outcome `json:"attacks"`
	// Starts are servers that were told to read text in another way.
	Starts []Start `json:"starts,omitempty"`
	// Verify is what `interlock verify` says when all is over. Lost is how many orders buyers were told of and it does
	// not have.
	Verify       *audit.Report `json:"verify,omitempty"`
	Acknowledged int           `json:"acknowledged"`
	Lost         int           `json:"lost"`
	// Problems are what buyers met.
	Problems    map[string]int `json:"problems,omitempty"`
	TookSeconds float64        `json:"took_seconds"`
}

// OK tells whether every attack was withstood and every promise holds.
func (r *Report) OK() bool {
	return r.Right() && !slices.ContainsFunc(r.Attacks, func(o *Outcome) bool { return !o.OK })
}

// Right tells whether everything is right that does not depend on how fast the machine is.
func (r *Report) Right() bool {
	return !slices.ContainsFunc(r.Attacks, func(o *Outcome) bool { return len(o.Wrong) > 0 }) &&
		!slices.ContainsFunc(r.Starts, func(s Start) bool { return !s.Refused }) &&
		(r.Verify == nil || r.Verify.OK) && r.Lost == 0
}

// Outcome is what one attack came to.
type Outcome struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Connections is how many attackers there were, MaxPerSecond how much they would ask together.
	Connections  int     `json:"connections"`
	MaxPerSecond float64 `json:"max_requests_per_second"`
	OK           bool    `json:"ok"`
	// Wrong is what was wrong in any round, Slow how buyers were slowed in the last.
	Wrong []string `json:"wrong,omitempty"`
	Slow  []string `json:"slow,omitempty"`
	// Rounds are one, or more where only the buyers' waits were too long: on a machine that others share, once may be
	// chance.
	Rounds []*Round `json:"rounds"`
}

// Round is an attack and what it is compared with.
type Round struct {
	Attack Window `json:"attack"`
	Static Window `json:"static"`
	// Ratio is of the buyers' p99 in both.
	Ratio float64 `json:"p99_ratio"`
	// GrowthMegabytes is the most that the server had during the attack, less what it has at rest.
	GrowthMegabytes float64 `json:"growth_mb"`
	// Killed says that the server took so much memory that the lab ended it, Died that it ended itself.
	Killed bool `json:"killed,omitempty"`
	Died   bool `json:"died,omitempty"`
	// Told is what the attackers of each variant were told, by codes. Unexplained is how often one was told nothing.
	// Found is what an attack got and must not get.
	Told        map[string]map[string]int `json:"told"`
	Unexplained map[string]int            `json:"unexplained,omitempty"`
	Found       []string                  `json:"found,omitempty"`
}

// Window is a stretch of time with the same buyers.
type Window struct {
	Buyers *load.Result `json:"buyers"`
	// RequestsPerSecond is what attackers asked.
	RequestsPerSecond float64 `json:"requests_per_second"`
	// ServerShare and LabShare are how much of all processors the server and the lab took: 1 is everything.
	ServerShare     float64 `json:"server_cpu_share"`
	LabShare        float64 `json:"lab_cpu_share"`
	BeforeMegabytes float64 `json:"before_mb"`
	PeakMegabytes   float64 `json:"peak_mb"`
}

// Start is a server that was told to read text in another way.
type Start struct {
	Parameter string `json:"parameter"`
	Refused   bool   `json:"refused"`
	// Said is the server's last word, or its answer to a purchase.
	Said string `json:"said"`
}

// tooSlow is what is wrong with the buyers' waits and orders. Another round may show that it was chance.
func (r *Round) tooSlow() (wrong []string) {
	attacked, beside := r.Attack.Buyers, r.Static.Buyers
	switch {
	case beside.Orders == 0:
		wrong = append(wrong, "nobody bought anything beside static requests")
	case float64(attacked.Orders) < minServed*float64(beside.Orders):
		wrong = append(wrong, fmt.Sprintf("buyers got %d orders instead of %d", attacked.Orders, beside.Orders))
	case r.Ratio > MaxRatio:
		wrong = append(wrong, fmt.Sprintf("buyers waited %.1f ms at p99 instead of %.1f ms: %.2f times",
			attacked.P99Milliseconds, beside.P99Milliseconds, r.Ratio))
	}
	return wrong
}

// wrong is everything else that is wrong with a round.
func (r *Round) wrong() (wrong []string) {
	if r.Killed {
		wrong = append(wrong, fmt.Sprintf("the server was ended when it had more than %d MB", fatalMegabytes))
	}
	if r.Died {
		wrong = append(wrong, "the server ended")
	}
	if r.GrowthMegabytes > MaxGrowthMegabytes {
		wrong = append(wrong, fmt.Sprintf("its memory grew by %.0f MB", r.GrowthMegabytes))
	}
	if len(r.Told) == 0 && len(r.Unexplained) == 0 {
		wrong = append(wrong, "nobody attacked")
	}
	for _, what := range slices.Sorted(maps.Keys(r.Unexplained)) {
		wrong = append(wrong, fmt.Sprintf("%d × %s", r.Unexplained[what], what))
	}
	return append(wrong, r.Found...)
}

// judge fills in what follows from the windows.
func (r *Round) judge(rest float64) {
	if p99 := r.Static.Buyers.P99Milliseconds; p99 > 0 {
		r.Ratio = r.Attack.Buyers.P99Milliseconds / p99
	}
	r.GrowthMegabytes = max(0, r.Attack.PeakMegabytes-rest)
}

// conclude judges an attack by its rounds. Waits must be right in the last, everything else in each.
func (o *Outcome) conclude() {
	for _, r := range o.Rounds {
		o.Wrong = append(o.Wrong, r.wrong()...)
	}
	o.Slow = o.Rounds[len(o.Rounds)-1].tooSlow()
	o.OK = len(o.Wrong)+len(o.Slow) == 0
}

// again tells whether an attack is to be played once more.
func (o *Outcome) again() bool {
	last := o.Rounds[len(o.Rounds)-1]
	return len(o.Rounds) < maxRounds && len(last.tooSlow()) > 0 && len(last.wrong()) == 0
}

// maxRounds is how often an attack is played at most: what is over the bound by chance is not so three times.
const maxRounds = 3
