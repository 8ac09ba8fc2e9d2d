package resolvers

import (
	"time"

	"interlock/graph"
	"interlock/services/rail"
)

// The functions of this file turn the values of package rail into those of the schema.

func (r *Resolver) station(code rail.StationCode) *graph.Station {
	s, ok := r.Timetable.Station(code)
	if !ok {
		// Each published call has its station. A timetable that is being replaced may lack it for a moment.
		s = &rail.Station{Code: code, Name: string(code), TimeZone: "UTC"}
	}
	return station(s)
}

func station(s *rail.Station) *graph.Station {
	return &graph.Station{
		ID: encodeID(stationNode, string(s.Code)), Code: s.Code, TimeZone: s.TimeZone,
		Latitude: s.Latitude, Longitude: s.Longitude, Station: s,
	}
}

func train(t *rail.Train) *graph.Train { return &graph.Train{Number: t.Number, Kind: optional(t.Kind)} }

func (r *Resolver) run(run *rail.Run) *graph.Run {
	return &graph.Run{
		ID: RunID(run.ID), Train: train(run.Train), Date: run.Date, State: run.StateAt(r.Now()),
		StateReason: optional(run.Reason), SaleOpensAt: run.SaleOpensAt.In(run.Train.Location()), Run: run,
	}
}

func (r *Resolver) call(run *rail.Run, i int) *graph.Call {
	c := rail.RunCall{Run: run, Index: i}
	at := r.station(c.Call().Station)
	zone := at.Station.Location()
	view := &graph.Call{Station: at, Sequence: c.Sequence()}
	if metres := c.Call().Metres; metres != rail.NoDistance {
		km := float64(metres) / 1000
		view.DistanceKm = &km
	}
	if !c.IsOrigin() {
		view.Arrival = in(run.Arrival(i), zone)
	}
	if !c.IsTerminus() {
		view.Departure = in(run.Departure(i), zone)
		if !c.Call().NoBoarding {
			view.SaleClosesAt = in(run.SaleClosesAt(i), zone)
		}
	}
	return view
}

func coaches(f *rail.Formation) []*graph.Coach {
	views := make([]*graph.Coach, len(f.Coaches))
	for i := range f.Coaches {
		coach := &f.Coaches[i]
		views[i] = &graph.Coach{Number: coach.Number, SeatClass: coach.SeatClass, Coach: coach}
	}
	return views
}

// classes tells what is left of each class, and what a seat costs. A class without a price is left out.
func classes(run *rail.Run, from, to int, left rail.Left) []*graph.ClassAvailability {
	views := make([]*graph.ClassAvailability, 0, len(run.Train.Formation.Classes))
	for i, class := range run.Train.Formation.Classes {
		price, ok := run.Train.Price(class, from, to)
		if !ok {
			continue
		}
		view := &graph.ClassAvailability{SeatClass: class, Price: &price}
		if left.Known {
			remaining := int(left.Counts[i])
			view.Remaining = &remaining
		}
		views = append(views, view)
	}
	return views
}

func (r *Resolver) offer(o rail.Offer) *graph.TicketOffer {
	return &graph.TicketOffer{
		Run: r.run(o.Run), From: r.call(o.Run, o.From), To: r.call(o.Run, o.To),
		DurationMinutes: int(o.Run.Arrival(o.To).Sub(o.Run.Departure(o.From)) / time.Minute),
		Version:         int(o.Left.Version), Classes: classes(o.Run, o.From, o.To, o.Left),
	}
}

func (r *Resolver) snapshot(s rail.Snapshot) *graph.SeatAvailability {
	return &graph.SeatAvailability{
		Run: r.run(s.Run), From: r.call(s.Run, s.From), To: r.call(s.Run, s.To),
		Version: int(s.Left.Version), AsOf: s.AsOf, Classes: classes(s.Run, s.From, s.To, s.Left),
	}
}

func order(o *rail.Order) *graph.Order {
	view := &graph.Order{
		ID: OrderID(o.ID), Number: o.Number, Version: int(o.Version), State: o.State,
		StateReason: optional(o.StateReason), Total: &o.Total, PlacedAt: o.PlacedAt, Order: o,
		PaidAt: happened(o.PaidAt), EndedAt: happened(o.EndedAt), ErasedAt: happened(o.ErasedAt),
	}
	view.Carried = &rail.Money{Minor: o.Carried.Minor, Currency: o.Total.Currency}
	if o.State == rail.OnHold {
		view.PayBy = &o.PayBy
	}
	if c := o.Contact(); c != (rail.Contact{}) {
		view.Contact = &graph.Contact{Email: c.EmailMasked(), Language: optional(c.Language)}
	}
	return view
}

// viewer is null for a request without a token.
func (r *Resolver) viewer(v *rail.Viewer) *graph.Viewer {
	if v == nil {
		return nil
	}
	return &graph.Viewer{ID: r.viewerID(v), Subject: v.Subject, Roles: v.Roles}
}

// orderOrNil is order, and null for a nil order.
func orderOrNil(o *rail.Order) *graph.Order {
	if o == nil {
		return nil
	}
	return order(o)
}

func ticket(o *rail.Order, n int) *graph.Ticket {
	t := &o.Tickets[n]
	return &graph.Ticket{
		ID: ticketID(o.ID, n), Coach: t.Coach, Seat: t.Seat, SeatClass: t.SeatClass,
		Price: &t.Price, State: o.TicketState(n), UsedAt: happened(t.Use.At), Placed: o, Ticket: t,
	}
}

// optional is nil for the zero value, so that what rail leaves empty is null on the wire.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func happened(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func in(t time.Time, zone *time.Location) *time.Time {
	t = t.In(zone)
	return &t
}
