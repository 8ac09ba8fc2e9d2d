package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"interlock/lab/search"
	"interlock/lab/seats"
	"interlock/lab/watch"
)

// table is a table in Markdown whose columns are as wide as their widest cell, so that it can be read as text, too.
type table struct {
	rows [][]string
	// left is how many columns, from the left, are words; the others are figures and stand to the right.
	left int
}

func newTable(left int, head ...string) *table { return &table{rows: [][]string{head}, left: left} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < t.left {
				b.WriteString("| " + cell + room + " ")
			} else {
				b.WriteString("| " + room + cell + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(t.rows[0])
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
		if i >= t.left {
			rule[i] = strings.Repeat("-", w-1) + ":"
		}
	}
	line(rule)
	for _, row := range t.rows[1:] {
		line(row)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (in *Input) searchTable() string {
	t := newTable(1, "", "offers", "answer KB", "searches/s", "p50 ms", "p99 ms", "slowest ms", "not known", "wrong")
	add := func(name string, s *search.Searches) {
		if s != nil {
			t.add(name, count(s.Offers), number(float64(s.AnswerBytes)/1e3), number(s.SearchesPerSecond),
				number(s.P50Milliseconds),
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

func (in *Input) watchTable() string {
	t := newTable(1, "", "orders/s", "events/s", "lag p50 ms", "lag p99 ms", "longest ms", "a buyer's p99 ms")
	add := func(name string, p watch.Phase) {
		t.add(name, number(p.OrdersPerSecond), number(p.EventsPerSecond), number(p.LagP50), number(p.LagP99),
			number(p.LagMax), number(p.OrderP99))
	}
	add("everybody reads", in.Watch.Steady)
	add("one more does not", in.Watch.Stalled.Phase)
	return t.String()
}

// seatsTable is what each way of choosing the seat sold, over what free re-seating sold.
func seatsTable(s seats.Season) string {
	t := newTable(0, "load", "best-fit", "first-fit, parties together", "first-fit, parties apart", "random-fit",
		"optimum", "best-fit sold of capacity")
	for _, l := range s.Loads {
		t.add(fmt.Sprint(l.Load), fine(l.BestFit.RatioToReseating), fine(l.FirstFit.RatioToReseating),
			fine(l.FirstFitApart.RatioToReseating),
			fine(l.RandomFit.RatioToReseating), fine(l.Optimum.RatioToReseating), percent(l.BestFit.RatioToCapacity))
	}
	return t.String()
}

// seatsTrains are the trains that were sold, in words.
func (in *Input) seatsTrains() string {
	var parts []string
	for _, t := range in.Seats.Trains {
		all := 0
		for _, n := range t.Seats {
			all += n
		}
		parts = append(parts, fmt.Sprintf("%s (%d calls, %s km, %s seats)", t.Number, t.Calls, count(int64(t.Km)),
			count(all)))
	}
	return strings.Join(parts, ", ")
}

// seatsSeeds are the seeds, in words.
func (in *Input) seatsSeeds() string {
	if len(in.Seats.Seeds) == 0 {
		return none
	}
	return fmt.Sprintf("%d to %d", slices.Min(in.Seats.Seeds), slices.Max(in.Seats.Seeds))
}
