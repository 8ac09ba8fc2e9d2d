package failpoints

import (
	"context"

	"interlock/services/notify"
)

// Notifications has the service of notifications held at its points.
func (c *Control) Notifications(o notify.Options) notify.Options {
	o.Store = heldDeliveries{o.Store, c}
	if o.Mailer != nil {
		o.Mailer = heldMailer{o.Mailer, c}
	}
	if o.Poster != nil {
		o.Poster = heldPoster{o.Poster, c}
	}
	return o
}

// atDelivery holds a delivery that passes a point.
func (c *Control) atDelivery(point Point, d *notify.Delivery) {
	c.at(point, Held{Run: d.RunID, Order: d.OrderID, Delivery: d.ID})
}

type heldDeliveries struct {
	notify.Store
	control *Control
}

func (s heldDeliveries) Write(ctx context.Context, b notify.Batch) (notify.Written, error) {
	written, err := s.Store.Write(ctx, b)
	if err == nil {
		for i := range b.New {
			s.control.atDelivery(AfterDeliveryNote, &b.New[i])
		}
	}
	return written, err
}

type heldMailer struct {
	notify.Mailer
	control *Control
}

func (m heldMailer) Mail(ctx context.Context, d *notify.Delivery, o *notify.Order) notify.Outcome {
	m.control.atDelivery(BeforeMail, d)
	outcome := m.Mailer.Mail(ctx, d, o)
	if outcome.State == notify.Sent {
		m.control.atDelivery(AfterMail, d)
	}
	return outcome
}

type heldPoster struct {
	notify.Poster
	control *Control
}

func (p heldPoster) Post(ctx context.Context, d *notify.Delivery, e *notify.Endpoint) notify.Outcome {
	outcome := p.Poster.Post(ctx, d, e)
	if outcome.State == notify.Sent {
		p.control.atDelivery(AfterPost, d)
	}
	return outcome
}
