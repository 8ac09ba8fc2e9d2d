package report

import "interlock/lab/watch"

func (in *Input) watchTable() string {
	t := newTable(1, "", "orders/s", "events/s", "lag p50 ms", "lag p99 ms", "longest ms", "a buyer's p99 ms")
	add := func(name string, p watch.Phase) {
		t.add(name, number(p.OrdersPerSecond), number(p.EventsPerSecond), number(p.LagP50), number(p.LagP99), number(p.LagMax), number(p.OrderP99))
	}
	add("everybody reads", in.Watch.Steady)
	add("one more does not", in.Watch.Stalled.Phase)
	return t.String()
}
