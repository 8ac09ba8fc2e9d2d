package report

import (
	"fmt"
	"slices"
	"strings"

	"interlock/lab/load"
	"interlock/lab/sell"
)

func (in *Input) goalsTable() string {
	t := newTable(2, "what", "in the JSON", "measured", "goal", "met")
	for _, g := range in.goals() {
		t.add(g.row()...)
	}
	return t.String()
}

// missed are the goals that were measured and not reached.
func (in *Input) missed() (n int) {
	for _, g := range in.goals() {
		if g.figure != nil && g.met() != "yes" {
			n++
		}
	}
	return n
}

// baselineTable has a row for each way and a column for each number of buyers.
func (in *Input) baselineTable() string {
	b := in.Sell.Baseline
	var buyers []int
	for _, cell := range b.Cells {
		if !slices.Contains(buyers, cell.Buyers) {
			buyers = append(buyers, cell.Buyers)
		}
	}
	slices.Sort(buyers)
	head := []string{"way", "retry after", "mutex in front"}
	for _, n := range buyers {
		head = append(head, count(n)+" buyers")
	}
	t := newTable(3, head...)
	type way struct {
		name, retry string
		mutex       bool
	}
	var ways []way
	cells := map[way]map[int]sell.BaselineCell{}
	for _, cell := range b.Cells {
		w := way{cell.Way, cell.RetryMilliseconds, cell.LocalMutex}
		if cells[w] == nil {
			ways, cells[w] = append(ways, w), map[int]sell.BaselineCell{}
		}
		cells[w][cell.Buyers] = cell
	}
	for _, w := range ways {
		row := []string{wayNames[w.name], none, map[bool]string{true: "yes", false: "no"}[w.mutex]}
		if row[0] == "" {
			row[0] = w.name
		}
		if w.retry != "" {
			row[1] = w.retry + " ms"
		}
		for _, n := range buyers {
			cell, ok := cells[w][n]
			switch {
			case !ok:
				row = append(row, none)
			case cell == b.Best:
				row = append(row, "**"+number(cell.OrdersPerSecond)+"**"+failed(cell.Failed))
			default:
				row = append(row, number(cell.OrdersPerSecond)+failed(cell.Failed))
			}
		}
		t.add(row...)
	}
	return t.String()
}

// wayNames are the baseline's ways for people.
var wayNames = map[string]string{"redlock": "Redlock and a transaction", "for_update": "`FOR UPDATE`, no lock"}

func failed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s failed)", count(n))
}

// baselineProblems are what failed tries said, each text once.
func (in *Input) baselineProblems() (all []string) {
	for _, cell := range in.Sell.Baseline.Cells {
		if cell.Problem != "" && !slices.Contains(all, cell.Problem) {
			all = append(all, cell.Problem)
		}
	}
	slices.Sort(all)
	return all
}

// ceilingTable has a row for each size of a transaction and a column for each number of connections.
func (in *Input) ceilingTable() string {
	var sizes, connections []int
	cells := map[[2]int]sell.CeilingCell{}
	for _, cell := range in.Sell.Ceiling.Cells {
		if !slices.Contains(sizes, cell.OrdersPerTransaction) {
			sizes = append(sizes, cell.OrdersPerTransaction)
		}
		if !slices.Contains(connections, cell.Connections) {
			connections = append(connections, cell.Connections)
		}
		cells[[2]int{cell.OrdersPerTransaction, cell.Connections}] = cell
	}
	slices.Sort(sizes)
	slices.Sort(connections)
	head := []string{"orders in a transaction"}
	for _, n := range connections {
		if n == 1 {
			head = append(head, "1 connection")
		} else {
			head = append(head, fmt.Sprintf("%d connections", n))
		}
	}
	t := newTable(0, head...)
	for _, size := range sizes {
		row := []string{count(size)}
		for _, n := range connections {
			cell, ok := cells[[2]int{size, n}]
			switch {
			case !ok:
				row = append(row, none)
			case cell == in.Sell.Ceiling.Best:
				row = append(row, "**"+number(cell.OrdersPerSecond)+"**")
			default:
				row = append(row, number(cell.OrdersPerSecond))
			}
		}
		t.add(row...)
	}
	return t.String()
}

// scenario is one with rounds.
type scenario struct {
	Name, What string
	hot        *sell.Hot
}

// scenarios are those with rounds that were measured.
func (in *Input) scenarios() []scenario {
	s := in.Sell
	all := []scenario{
		{"hot_64", "one run, one server, 64 buyers", s.Hot64},
		{"hot_1024", "one run, one server, 1,024 buyers", s.Hot1024},
	}
	if z := s.Zipf100; z != nil {
		all = append(all, scenario{"zipf_100", "100 runs by Zipf's law, one server, 1,024 buyers", z.Hot})
	}
	if f := s.FourServers; f != nil {
		all = append(all, scenario{"four_servers.two", "one run, two servers, 1,024 buyers", f.Two},
			scenario{"four_servers.four", "one run, four servers, 1,024 buyers", f.Four})
	}
	return slices.DeleteFunc(all, func(s scenario) bool { return s.hot == nil || s.hot.Result == nil })
}

// roundsTable has every round of every scenario, and the medians.
func (in *Input) roundsTable() string {
	t := newTable(2, "scenario", "round", "orders/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "slowest ms",
		"least share in 5 s", "orders of each server")
	for _, s := range in.scenarios() {
		add := func(round string, r *load.Result) {
			t.add(append(append([]string{"`" + s.Name + "`", round}, resultCells(r)...), perServer(r))...)
		}
		for i, r := range s.hot.Each {
			add(fmt.Sprint(i+1), r)
		}
		add("**median**", s.hot.Result)
	}
	return t.String()
}

// perServer is what each of several servers sold.
func perServer(r *load.Result) string {
	if len(r.OrdersPerServer) == 0 {
		return none
	}
	each := make([]string, len(r.OrdersPerServer))
	for i, orders := range r.OrdersPerServer {
		each[i] = count(orders)
	}
	return strings.Join(each, " · ")
}

func resultCells(r *load.Result) []string {
	share := none
	if r.Servers > 1 {
		share = ratio(r.LeastShare)
	}
	return []string{
		number(r.OrdersPerSecond), number(r.P50Milliseconds), number(r.P90Milliseconds), number(r.P99Milliseconds),
		number(r.P999Milliseconds), number(r.MaxMilliseconds), share,
	}
}

// outcomes are the codes of answers in the order of the page.
var outcomes = []load.Outcome{
	load.Placed, load.SoldOut, load.Refused, load.Overloaded, load.Pending, load.Unavailable, load.Broken,
}

// answersTable counts what buyers were answered, warm-ups included, by code.
func (in *Input) answersTable() string {
	type row struct {
		name   string
		result *load.Result
	}
	var rows []row
	for _, s := range in.scenarios() {
		for i, r := range s.hot.Each {
			rows = append(rows, row{fmt.Sprintf("`%s` %d", s.Name, i+1), r})
		}
	}
	for _, r := range in.Sell.Buyers {
		rows = append(rows, row{fmt.Sprintf("`buyers` %s", count(r.Buyers)), r})
	}
	for _, r := range in.Sell.Offered {
		rows = append(rows, row{fmt.Sprintf("`offered` %s", number(r.OfferedPerSecond)), r})
	}
	if o := in.Sell.Overload; o != nil {
		rows = append(rows, row{"`overload`", o.Result})
	}
	var codes []string
	for _, o := range outcomes {
		codes = append(codes, o.String())
	}
	for _, r := range rows {
		var more []string
		for code := range r.result.Answers {
			if !slices.Contains(codes, code) {
				more = append(more, code)
			}
		}
		slices.Sort(more)
		codes = append(codes, more...)
	}
	codes = slices.DeleteFunc(codes, func(code string) bool {
		return !slices.ContainsFunc(rows, func(r row) bool { return r.result.Answers[code] > 0 })
	})
	t := newTable(1, append([]string{"round"}, codes...)...)
	for _, r := range rows {
		cells := []string{r.name}
		for _, code := range codes {
			cells = append(cells, count(r.result.Answers[code]))
		}
		t.add(cells...)
	}
	return t.String()
}

func (in *Input) buyersTable() string {
	t := newTable(0, "buyers", "orders/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "slowest ms")
	for _, r := range in.byBuyers() {
		cells := resultCells(r)
		t.add(append([]string{count(r.Buyers)}, cells[:len(cells)-1]...)...)
	}
	return t.String()
}

func (in *Input) offeredTable() string {
	t := newTable(0, "asked for /s", "sold /s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "slowest ms", "not served")
	for _, r := range in.Sell.Offered {
		cells := resultCells(r)
		t.add(append(append([]string{number(r.OfferedPerSecond)}, cells[:len(cells)-1]...), count(r.Unserved))...)
	}
	return t.String()
}

func (in *Input) singleBuyerTable() string {
	o := in.Sell.SingleBuyer
	t := newTable(1, "", "p50 ms", "p99 ms")
	t.add("an order, from the question to the answer", number(o.P50Milliseconds), number(o.P99Milliseconds))
	t.add("a plain transaction of one order: its commit", number(o.CommitP50Milliseconds),
		number(o.CommitP99Milliseconds))
	t.add("… and the statements before it", number(o.TransactionP50Milliseconds), none)
	return t.String()
}

// versions are sorted by their names.
func versions(all map[string]string) string {
	var parts []string
	for name, version := range all {
		parts = append(parts, name+" "+strings.TrimPrefix(version, "go")) // Go says "go1.26"
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
