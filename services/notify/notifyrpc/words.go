package notifyrpc

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/notify/notifypb"
	"interlock/services/rail"
)

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// A time of a timetable goes with its zone: the other process prints it as it is told at the station.
func zonedToWire(t time.Time) *notifypb.Time {
	zone, offset := t.Zone()
	return &notifypb.Time{At: stamp(t), OffsetSeconds: int32(offset), Zone: zone} //nolint:gosec // a day has 86,400
}

func zonedOf(t *notifypb.Time) time.Time {
	return timeOf(t.GetAt()).In(time.FixedZone(t.GetZone(), int(t.GetOffsetSeconds())))
}

func moneyToWire(m rail.Money) *notifypb.Money {
	return &notifypb.Money{Currency: string(m.Currency), Minor: m.Minor}
}

func moneyOf(m *notifypb.Money) rail.Money {
	return rail.Money{Currency: rail.Currency(m.GetCurrency()), Minor: m.GetMinor()}
}

func stopToWire(s *notify.Stop) *notifypb.Stop {
	return &notifypb.Stop{Name: s.Name, Names: s.Names, At: zonedToWire(s.At)}
}

func stopOf(s *notifypb.Stop) notify.Stop {
	return notify.Stop{Name: s.GetName(), Names: s.GetNames(), At: zonedOf(s.GetAt())}
}

func orderToWire(o *notify.Order) *notifypb.Order {
	if o == nil {
		return nil
	}
	wire := &notifypb.Order{
		Id: o.ID, Number: o.Number, RunId: string(o.RunID), PageId: o.PageID, Version: o.Version, State: string(o.State),
		PlacedAt: stamp(o.PlacedAt), PaidAt: stamp(o.PaidAt), Reason: o.Reason, Email: o.Contact.Email,
		Language: o.Contact.Language, Train: o.Train, From: stopToWire(&o.From), To: stopToWire(&o.To),
		RunStatus: string(o.RunStatus), RunReason: o.RunReason, Total: moneyToWire(o.Total), Replaces: o.Replaces,
	}
	for i := range o.Tickets {
		t := &o.Tickets[i]
		wire.Tickets = append(wire.Tickets, &notifypb.Ticket{
			Passenger: t.Passenger, Document: t.Document, SeatClass: string(t.SeatClass), Coach: t.Coach, Seat: t.Seat,
			Price: moneyToWire(t.Price), State: string(t.State), Code: t.Code,
		})
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		wire.Refunds = append(wire.Refunds, &notifypb.Refund{
			Kind: string(r.Kind), At: stamp(r.At), Back: moneyToWire(r.Back), Fee: moneyToWire(r.Fee),
			PaidBackAt: stamp(r.PaidBackAt),
		})
	}
	return wire
}

func orderOf(o *notifypb.Order) *notify.Order {
	if o == nil {
		return nil
	}
	order := &notify.Order{
		ID: o.GetId(), Number: o.GetNumber(), RunID: rail.RunID(o.GetRunId()), PageID: o.GetPageId(),
		Version: o.GetVersion(), State: rail.OrderState(o.GetState()), PlacedAt: timeOf(o.GetPlacedAt()),
		PaidAt: timeOf(o.GetPaidAt()), Reason: o.GetReason(),
		Contact: rail.Contact{Email: o.GetEmail(), Language: o.GetLanguage()}, Train: o.GetTrain(),
		From: stopOf(o.GetFrom()), To: stopOf(o.GetTo()), RunStatus: rail.RunStatus(o.GetRunStatus()),
		RunReason: o.GetRunReason(), Total: moneyOf(o.GetTotal()), Replaces: o.GetReplaces(),
	}
	for _, t := range o.GetTickets() {
		order.Tickets = append(order.Tickets, notify.Ticket{
			Passenger: t.GetPassenger(), Document: t.GetDocument(), SeatClass: rail.SeatClass(t.GetSeatClass()),
			Coach: t.GetCoach(), Seat: t.GetSeat(), Price: moneyOf(t.GetPrice()), State: rail.TicketState(t.GetState()),
			Code: t.GetCode(),
		})
	}
	for _, r := range o.GetRefunds() {
		order.Refunds = append(order.Refunds, notify.Refund{
			Kind: rail.RefundKind(r.GetKind()), At: timeOf(r.GetAt()), Back: moneyOf(r.GetBack()), Fee: moneyOf(r.GetFee()),
			PaidBackAt: timeOf(r.GetPaidBackAt()),
		})
	}
	return order
}

//nolint:gosec // tries and answers are small
func deliveryToWire(d *notify.Delivery) *notifypb.Delivery {
	return &notifypb.Delivery{
		Id: d.ID, Channel: string(d.Channel), Kind: string(d.Kind), Endpoint: d.Endpoint, OrderId: d.OrderID,
		RunId: string(d.RunID), Subject: d.Subject, At: stamp(d.At), State: string(d.State), Version: d.Version,
		Tries: int32(d.Tries), Due: stamp(d.Due), Answer: int32(d.Answer), Reason: d.Reason,
		CreatedAt: stamp(d.CreatedAt), ChangedAt: stamp(d.ChangedAt),
	}
}

func deliveryOf(d *notifypb.Delivery) *notify.Delivery {
	return &notify.Delivery{
		ID: d.GetId(), Channel: notify.Channel(d.GetChannel()), Kind: notify.Kind(d.GetKind()), Endpoint: d.GetEndpoint(),
		OrderID: d.GetOrderId(), RunID: rail.RunID(d.GetRunId()), Subject: d.GetSubject(), At: timeOf(d.GetAt()),
		State: notify.State(d.GetState()), Version: d.GetVersion(), Tries: int(d.GetTries()), Due: timeOf(d.GetDue()),
		Answer: int(d.GetAnswer()), Reason: d.GetReason(), CreatedAt: timeOf(d.GetCreatedAt()),
		ChangedAt: timeOf(d.GetChangedAt()),
	}
}

func endpointToWire(e *notify.Endpoint) *notifypb.Endpoint {
	if e == nil {
		return nil
	}
	wire := &notifypb.Endpoint{
		Id: e.ID, Url: e.URL, Description: e.Description, Secrets: e.Secrets, Enabled: e.Enabled,
		FailingSince: stamp(e.FailingSince), DisabledWhy: e.DisabledWhy, Version: e.Version, CreatedAt: stamp(e.CreatedAt),
		ChangedAt: stamp(e.ChangedAt),
	}
	for _, t := range e.Events {
		wire.Events = append(wire.Events, string(t))
	}
	return wire
}

func endpointOf(e *notifypb.Endpoint) *notify.Endpoint {
	if e == nil {
		return nil
	}
	endpoint := &notify.Endpoint{
		ID: e.GetId(), URL: e.GetUrl(), Description: e.GetDescription(), Secrets: e.GetSecrets(), Enabled: e.GetEnabled(),
		FailingSince: timeOf(e.GetFailingSince()), DisabledWhy: e.GetDisabledWhy(), Version: e.GetVersion(),
		CreatedAt: timeOf(e.GetCreatedAt()), ChangedAt: timeOf(e.GetChangedAt()),
	}
	for _, t := range e.GetEvents() {
		endpoint.Events = append(endpoint.Events, ledger.EventType(t))
	}
	return endpoint
}
