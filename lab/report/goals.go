package report

import (
	"interlock/lab/search"
	"interlock/lab/seats"
	"interlock/lab/watch"
)

// goal is a figure that is to be reached.
type goal struct {
	what, path string
	show       func(float64) string
	atLeast    bool
	bound      float64
	// figure is nil where it was not measured.
	figure *float64
}

func (g goal) met() string {
	switch {
	case g.figure == nil:
		return "not measured"
	case g.atLeast && *g.figure >= g.bound, !g.atLeast && *g.figure <= g.bound:
		return "yes"
	}
	return "**no**"
}

func (g goal) row() []string {
	figure, sign := none, "≤"
	if g.figure != nil {
		figure = g.show(*g.figure)
	}
	if g.atLeast {
		sign = "≥"
	}
	bound := sign + " " + g.show(g.bound)
	if !g.atLeast && g.bound == 0 {
		bound = "0"
	}
	return []string{g.what, "`" + g.path + "`", figure, bound, g.met()}
}

// goals are all there are, in the order of the page.
func (in *Input) goals() []goal {
	whole := func(f float64) string { return count(int64(f + 0.5)) }
	milliseconds := func(f float64) string { return number(f) + " ms" }
	var all []goal
	add := func(what, path string, show func(float64) string, atLeast bool, bound float64, figure *float64) {
		all = append(all, goal{what, path, show, atLeast, bound, figure})
	}
	s := in.Sell
	add("one run, 1,024 buyers: orders a second", "hot_1024.orders_per_second", whole, true, 6_000,
		of(s.Hot1024 != nil, func() float64 { return s.Hot1024.OrdersPerSecond }))
	add("one run, 64 buyers: orders a second", "hot_64.orders_per_second", whole, true, 2_500,
		of(s.Hot64 != nil, func() float64 { return s.Hot64.OrdersPerSecond }))
	add("… p99, corrected", "hot_64.p99_ms", milliseconds, false, 60,
		of(s.Hot64 != nil, func() float64 { return s.Hot64.P99Milliseconds }))
	baseline, ceiling := s.Baseline != nil, s.Ceiling != nil
	add("… against the best of the baseline", "hot_64.ratio_to_baseline", ratio, true, 10,
		of(s.Hot64 != nil && baseline, func() float64 { return s.Hot64.RatioToBaseline }))
	add("1,024 buyers against the best of the baseline", "hot_1024.ratio_to_baseline", ratio, true, 20,
		of(s.Hot1024 != nil && baseline, func() float64 { return s.Hot1024.RatioToBaseline }))
	add("… against the best of the ceiling", "hot_1024.ratio_to_ceiling", ratio, true, 0.4,
		of(s.Hot1024 != nil && ceiling, func() float64 { return s.Hot1024.RatioToCeiling }))
	add("one run through four servers against one", "four_servers.ratio_to_one", ratio, true, 0.8,
		of(s.FourServers != nil, func() float64 { return s.FourServers.RatioToOne }))
	add("… the least a server got of its even share in 5 s", "four_servers.least_share_over_5_s", ratio, true, 0.5,
		of(s.FourServers != nil, func() float64 { return s.FourServers.LeastShareOver5S }))
	add("100 runs by Zipf's law against one", "zipf_100.ratio_to_hot", ratio, true, 0.7,
		of(s.Zipf100 != nil, func() float64 { return s.Zipf100.RatioToHot }))
	add("single buyer, idle: median against a plain commit", "single_buyer.p50_ratio_to_commit", ratio, false, 2,
		of(s.SingleBuyer != nil, func() float64 { return s.SingleBuyer.P50RatioToCommit }))
	always := func(n int) *float64 { return of(true, func() float64 { return float64(n) }) }
	add("seats sold twice on a leg", "double_sold", whole, false, 0, always(s.DoubleSold))
	add("acknowledged orders that are missing", "lost", whole, false, 0, always(s.Lost))
	add("refused while a seat was free", "wrongly_refused", whole, false, 0, always(s.WronglyRefused))
	add("best-fit against free re-seating, the worst load", "seats.min_ratio_to_reseating", fine, true,
		seats.MinRatioToReseating,
		of(in.Seats != nil, func() float64 { return in.Seats.MinRatioToReseating }))
	add("… against first-fit, parties together", "seats.min_ratio_to_first_fit", fine, true,
		seats.MinRatioToFirstFit, of(in.Seats != nil, func() float64 { return in.Seats.MinRatioToFirstFit }))
	add("… against first-fit, parties apart", "seats.min_ratio_to_first_fit_apart", fine, true,
		seats.MinRatioToFirstFit, of(in.Seats != nil, func() float64 { return in.Seats.MinRatioToFirstFitApart }))
	if r := in.Search; r != nil {
		add("search: the oldest that an answer was", "selling.staleness_max_ms", milliseconds, false,
			search.MaxStalenessMilliseconds,
			of(r.Selling != nil, func() float64 { return r.Selling.StalenessMax }))
		add("search: statements on MySQL for each", "mysql.statements_per_search", fine, false,
			search.MaxStatementsPerSearch,
			of(r.MySQL != nil, func() float64 { return r.MySQL.PerSearch }))
	}
	if r := in.Watch; r != nil {
		add("watch: versions that did not rise", "violations", whole, false, 0, always(r.Violations))
		add("watch: until all have the last version", "end.after_ms", milliseconds, false, watch.MaxArrivalMilliseconds,
			of(r.End.OK(), func() float64 { return r.End.AfterMilliseconds }))
	}
	return all
}

// of is a figure where there is one.
func of(measured bool, figure func() float64) *float64 {
	if !measured {
		return nil
	}
	f := figure()
	return &f
}
