package notify

import (
	"fmt"
	"unicode/utf8"

	"interlock/services/rail"
)

// text is a text that is kept, and how many characters it has at most.
type text struct {
	name, value string
	most        int
}

// fit refuses texts that are not UTF-8 or too long: a server would refuse all that shares their commit.
func fit(of string, texts []text) error {
	for _, t := range texts {
		if !utf8.ValidString(t.value) || utf8.RuneCountInString(t.value) > t.most {
			return rail.Refuse(rail.Invalid, "the %s's %s is not text of at most %d characters", of, t.name, t.most)
		}
	}
	return nil
}

func (d *Delivery) check() error {
	if d.ID == "" {
		return rail.Refuse(rail.Invalid, "a delivery needs an id")
	}
	return fit("delivery", []text{
		{"id", d.ID, 64},
		{"channel", string(d.Channel), 16},
		{"kind", string(d.Kind), 64},
		{"endpoint", d.Endpoint, 64},
		{"order's id", d.OrderID, 200},
		{"run's id", string(d.RunID), 160},
		{"state", string(d.State), 16},
		{"reason", d.Reason, 200},
	})
}

// Check refuses a batch that no store can hold: too many items, or a text that is too long.
func (b *Batch) Check() error {
	if n := len(b.New) + len(b.Changes); n > MaxItems {
		return fmt.Errorf("notify: %d deliveries are more than the %d that are written at a time", n, MaxItems)
	}
	for i := range b.New {
		if err := b.New[i].check(); err != nil {
			return err
		}
	}
	for i := range b.Changes {
		if err := b.Changes[i].Delivery.check(); err != nil {
			return err
		}
	}
	return nil
}

// maxSecrets are the secret in use, and the one that it replaces.
const maxSecrets = 2

// Check refuses an endpoint that no store can hold.
func (e *Endpoint) Check() error {
	if e.ID == "" || len(e.Secrets) == 0 || len(e.Secrets) > maxSecrets {
		return rail.Refuse(rail.Invalid, "an endpoint needs an id, and one secret or two")
	}
	return fit("endpoint", []text{
		{"id", e.ID, 64},
		{"URL", e.URL, 2_048},
		{"description", e.Description, maxDescription},
		{"reason", e.DisabledWhy, 200},
	})
}
