package report

import (
	"fmt"

	"interlock/lab/search"
)

func (in *Input) searchTable() string {
	t := newTable(1, "", "offers", "answer KB", "searches/s", "p50 ms", "p99 ms", "slowest ms", "not known", "wrong")
	add := func(name string, s *search.Searches) {
		if s != nil {
			t.add(name, count(s.Offers), number(float64(s.AnswerBytes)/1e3), number(s.SearchesPerSecond), number(s.P50Milliseconds),
				number(s.P99Milliseconds), number(s.MaxMilliseconds), count(s.Unknown), count(s.Wrong))
		}
	}
	pair := func(name string, s *search.Searches) string {
		if s == nil {
			return name
		}
		return fmt.Sprintf("%s (%s → %s)", name, s.From, s.To)
	}
	r := in.Search
	add(pair("a busy pair", r.Busy), r.Busy)
	add(pair("a typical one", r.Typical), r.Typical)
	add(pair("one without trains", r.Empty), r.Empty)
	if r.Selling != nil {
		add("the busy one beside a sale", r.Selling.Searches)
	}
	add("… every MySQL frozen", r.Frozen)
	if r.CacheKilled != nil {
		add("… the cache killed", r.CacheKilled.Searches)
	}
	return t.String()
}
