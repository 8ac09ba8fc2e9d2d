package search

import (
	"fmt"
	"strings"
	"time"
)

// Report is the one document that `lab search` prints. What is nil was not asked for.
type Report struct {
	StartedAt time.Time         `json:"started_at"`
	Command   string            `json:"command"`
	Versions  map[string]string `json:"versions,omitempty"`
	// Runs is how many runs of the sample are on sale, Days on how many dates.
	Runs int `json:"runs"`
	Days int `json:"days"`

	// Busy is a pair of stations with some forty trains a day, Typical one with a dozen, Empty one with none.
	Busy    *Searches `json:"busy,omitempty"`
	Typical *Searches `json:"typical,omitempty"`
	Empty   *Searches `json:"empty,omitempty"`
	// MySQL is what the primary was asked during these searches, and before them.
	MySQL *Statements `json:"mysql,omitempty"`
	// Selling is Busy while one run is being sold.
	Selling *Selling `json:"selling,omitempty"`
	// Frozen is Busy while every member of the database is stopped.
	Frozen *Searches `json:"mysql_frozen,omitempty"`
	// CacheKilled is Busy from the moment the cache is killed until it is known again what is left.
	CacheKilled *CacheKilled `json:"cache_killed,omitempty"`
	TookSeconds float64      `json:"took_seconds"`
}

// The goals.
const (
	// MaxStalenessMilliseconds is promise 5's second.
	MaxStalenessMilliseconds = 1_000
	// MaxStatementsPerSearch is the least that can be told from what a server asks without any search: it looks for
	// publications and for runs to repair some ten times a second, a little more often or less.
	MaxStatementsPerSearch = 0.01
	// frozenPart is how many times slower searches may be while MySQL is frozen. A search that waits for MySQL until it
	// gives up is thirty times slower, and one on a busy machine a few times.
	frozenPart = 10
)

// OK tells whether everything held that was looked at.
func (r *Report) OK() bool {
	for _, s := range []*Searches{r.Busy, r.Typical, r.Empty, r.Frozen} {
		if s != nil && !s.OK() {
			return false
		}
	}
	if r.Frozen != nil && r.Busy != nil && r.Frozen.SearchesPerSecond*frozenPart < r.Busy.SearchesPerSecond {
		return false
	}
	return (r.MySQL == nil || r.MySQL.OK()) && (r.Selling == nil || r.Selling.OK()) &&
		(r.CacheKilled == nil || r.CacheKilled.OK())
}

// Searches is what some searchers were answered in a closed loop. Latencies are corrected for what a closed loop leaves
// out: a searcher that waits for long does not ask meanwhile.
type Searches struct {
	From              string  `json:"from"`
	To                string  `json:"to"`
	Searchers         int     `json:"searchers"`
	Seconds           float64 `json:"seconds"`
	Offers            int     `json:"offers"`
	AnswerBytes       int     `json:"answer_bytes"`
	Searches          int     `json:"searches"`
	SearchesPerSecond float64 `json:"searches_per_second"`
	P50Milliseconds   float64 `json:"p50_ms"`
	P99Milliseconds   float64 `json:"p99_ms"`
	MaxMilliseconds   float64 `json:"max_ms"`
	// Unknown answers had all offers, but not every count of what is left. Wrong ones were errors, or lacked an offer.
	Unknown int    `json:"unknown"`
	Wrong   int    `json:"wrong"`
	Problem string `json:"problem,omitempty"`
}

// OK tells whether every answer was whole.
func (s *Searches) OK() bool { return s.Searches > 0 && s.Unknown == 0 && s.Wrong == 0 }

// Statements are the primary's own counters: of all statements, those that a server makes by itself included.
type Statements struct {
	IdleSelectsPerSecond      float64 `json:"idle_selects_per_second"`
	SearchingSelectsPerSecond float64 `json:"searching_selects_per_second"`
	IdlePerSecond             float64 `json:"idle_statements_per_second"`
	SearchingPerSecond        float64 `json:"searching_statements_per_second"`
	Searches                  int     `json:"searches"`
	// PerSearch is how many statements a search added to those without searches.
	PerSearch float64 `json:"statements_per_search"`
}

// OK tells whether searches made MySQL do nothing.
func (s *Statements) OK() bool { return s.PerSearch < MaxStatementsPerSearch }

// Selling is a search beside a sale, and how old what it says is.
type Selling struct {
	*Searches
	Orders          int     `json:"orders"`
	OrdersPerSecond float64 `json:"orders_per_second"`
	OrderP99        float64 `json:"order_p99_ms"`
	// StalenessP50 and the others are ages of answers: from the moment a buyer has the answer to the moment a searcher
	// has the first answer that shows the order. Of each such answer the oldest order counts. The wait until a searcher
	// asks is part of it.
	StalenessP50 float64 `json:"staleness_p50_ms"`
	StalenessP99 float64 `json:"staleness_p99_ms"`
	StalenessMax float64 `json:"staleness_max_ms"`
	// LackedMax is the age of the oldest order that any answer lacked, at the moment it was asked for.
	LackedMax float64 `json:"lacked_max_ms"`
	// Unshown is how many orders no answer shows a second after the last was acknowledged.
	Unshown int `json:"unshown"`
}

// OK tells whether every answer was whole and young enough, and all orders were shown in the end.
func (s *Selling) OK() bool {
	return s.Searches.OK() && s.StalenessMax <= MaxStalenessMilliseconds && s.Orders > 0 && s.Unshown == 0
}

// CacheKilled is what is answered without the cache, and after it came back empty.
type CacheKilled struct {
	*Searches
	// DownSeconds is how long it was away.
	DownSeconds float64 `json:"down_seconds"`
	// FirstUnknownMilliseconds is how long after the kill the first answer said that it does not know.
	FirstUnknownMilliseconds float64 `json:"first_unknown_ms"`
	// KnownAgainSeconds is how long after its return every offer was known again; 0 for never.
	KnownAgainSeconds float64 `json:"known_again_seconds"`
}

// OK tells whether every answer was right, and every count known again. Counts may be unknown meanwhile.
func (c *CacheKilled) OK() bool { return c.Wrong == 0 && c.KnownAgainSeconds > 0 }

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(name string, s *Searches) {
		if s != nil {
			fmt.Fprintf(&b, "%-13s %3d offers %8.0f searches/s   p50 %7.2f ms   p99 %7.2f ms   %d unknown, %d wrong\n",
				name,
				s.Offers, s.SearchesPerSecond, s.P50Milliseconds, s.P99Milliseconds, s.Unknown, s.Wrong)
		}
	}
	line("busy", r.Busy)
	line("typical", r.Typical)
	line("empty", r.Empty)
	if s := r.Selling; s != nil {
		line("selling", s.Searches)
		fmt.Fprintf(&b, "%-13s %d orders shown after p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n", "", s.Orders,
			s.StalenessP50, s.StalenessP99, s.StalenessMax)
	}
	if m := r.MySQL; m != nil {
		fmt.Fprintf(&b, "%-13s %.1f statements/s idle, %.1f searching: %.4f for each of %d searches\n", "mysql",
			m.IdlePerSecond, m.SearchingPerSecond, m.PerSearch, m.Searches)
	}
	line("mysql_frozen", r.Frozen)
	if c := r.CacheKilled; c != nil {
		line("cache_killed", c.Searches)
		fmt.Fprintf(&b, "%-13s away for %.1f s, known again after %.1f s\n", "", c.DownSeconds, c.KnownAgainSeconds)
	}
	return b.String()
}
