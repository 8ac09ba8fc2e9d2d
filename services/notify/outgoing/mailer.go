package outgoing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/text/language"

	"interlock/services/notify"
	"interlock/services/notify/letters"
	"interlock/services/notify/smtpmail"
	"interlock/services/ticketcode"
	"interlock/services/ticketpdf"
)

// Carrier takes a mail to where it goes: smtpmail has them.
type Carrier interface {
	Send(ctx context.Context, m *smtpmail.Mail) error
}

// Mailer writes letters with tickets, and has them carried. Its fields are set before it is used.
type Mailer struct {
	Templates *letters.Templates
	Printer   *ticketpdf.Printer
	Sender    Carrier
	Log       *slog.Logger
	// Domain is that of Message-IDs.
	Domain string
	// OrderPage is where a buyer finds an order, with orderPlace where its id is; "" is nowhere.
	OrderPage string
}

var _ notify.Mailer = (*Mailer)(nil)

// orderPlace is where an order's page has the order's id.
const orderPlace = "{ORDER_ID}"

// Mail writes a mail about an order and sends it. The same delivery of the same order is the same mail.
func (m *Mailer) Mail(ctx context.Context, d *notify.Delivery, o *notify.Order) notify.Outcome {
	mail, err := m.write(d, o)
	if err != nil {
		m.Log.ErrorContext(ctx, "a mail cannot be written", "delivery", d.ID, "kind", string(d.Kind), "error", err)
		return notify.Outcome{State: notify.Pending, Reason: "the mail cannot be written"}
	}
	err = m.Sender.Send(ctx, mail)
	var known *smtpmail.Error
	outcome := notify.Outcome{State: notify.Sent}
	if errors.As(err, &known) {
		outcome.Answer, outcome.Reason = known.Code, clip(known.Error())
	}
	switch {
	case err == nil:
	case errors.Is(err, smtpmail.ErrRefused):
		outcome.State = notify.Refused
	default: // It may have been delivered, and it may not: it is sent again, with the same Message-ID.
		outcome.State = notify.Pending
		if outcome.Reason == "" {
			outcome.Reason = "it could not be sent"
		}
	}
	return outcome
}

// write makes the mail.
func (m *Mailer) write(d *notify.Delivery, o *notify.Order) (*smtpmail.Mail, error) {
	letter := &letters.Letter{Kind: d.Kind, Order: o}
	if m.OrderPage != "" {
		letter.Page = strings.ReplaceAll(m.OrderPage, orderPlace, o.PageID)
	}
	letter.Attached = carriesTickets(d.Kind) && len(letter.Valid()) > 0
	texts, err := m.Templates.Compose(letter)
	if err != nil {
		return nil, err
	}
	mail := &smtpmail.Mail{
		MessageID: d.ID + "@" + m.Domain, To: o.Contact.Email, Subject: texts.Subject, Text: texts.Text, HTML: texts.HTML,
		At: d.At,
	}
	if !letter.Attached {
		return mail, nil
	}
	pages, err := pagesOf(letter)
	if err != nil {
		return nil, err
	}
	printed, err := m.Printer.Print(base(letter.Language), pages)
	if err != nil {
		return nil, err
	}
	mail.Attachments = []smtpmail.Attachment{{
		Name: "tickets-" + o.Number + ".pdf", Type: "application/pdf", Data: printed,
	}}
	return mail, nil
}

// carriesTickets tells whether a kind of mail has the tickets with it.
func carriesTickets(k notify.Kind) bool {
	return k == notify.Paid || k == notify.Resent || k == notify.Refunded
}

// base is a tag's language without region and script.
func base(tag string) string {
	parsed, err := language.Parse(tag)
	if err != nil {
		return tag
	}
	of, _ := parsed.Base()
	return of.String()
}

// pagesOf are the tickets of a letter that one can travel with.
func pagesOf(l *letters.Letter) (pages []ticketpdf.Page, err error) {
	for _, t := range l.Valid() {
		page := ticketpdf.Page{
			Number: l.Order.Number, Train: l.Order.Train, From: l.From(), To: l.To(), Departure: l.Order.From.At,
			Arrival: l.Order.To.At, Class: l.Class(t.SeatClass), Coach: t.Coach, Seat: t.Seat, Passenger: t.Passenger,
			Document: t.Document, Price: letters.Money(l.Language, t.Price), CodeText: t.Code,
		}
		if t.Code != "" {
			if page.Code, err = ticketcode.Image(t.Code); err != nil {
				return nil, fmt.Errorf("the code of a ticket: %w", err)
			}
		}
		pages = append(pages, page)
	}
	return pages, nil
}
