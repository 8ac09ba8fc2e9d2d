package bank

// object is one of Stripe's, as JSON.
type object = map[string]any

// shown says which ids are shown as the objects they stand for (https://docs.stripe.com/api/expanding_objects).
type shown struct{ intent, charge bool }

// showSession is a session as the API has it.
func (b *Bank) showSession(s *session, more shown) object {
	paid := "unpaid"
	var of any
	if i := b.intents[s.Intent]; i != nil {
		of = i.ID
		if more.intent {
			of = b.showIntent(i, more)
		}
		if i.Status == intentSucceeded {
			paid = "paid"
		}
	}
	var url any
	if s.Status == sessionOpen {
		url = b.pageOf(s.ID)
	}
	return object{
		"id": s.ID, "object": "checkout.session", "status": s.Status, "payment_status": paid, "mode": "payment",
		"created": s.Created, "expires_at": s.ExpiresAt, "amount_subtotal": s.Amount, "amount_total": s.Amount,
		"currency": s.Currency, "metadata": s.Metadata, "client_reference_id": orNull(s.Client), "payment_intent": of,
		"url": url, "success_url": s.ReturnURL, "cancel_url": orNull(s.CancelURL), "livemode": false,
	}
}

// showIntent is an intent as the API has it.
func (b *Bank) showIntent(i *intent, more shown) object {
	method := "manual"
	if s := b.sessions[i.Session]; s != nil && s.Automatic {
		method = "automatic"
	}
	var capturable int64
	if i.Status == intentHeld {
		capturable = i.Amount
	}
	var charge, failed any
	if i.Charge != "" {
		charge = i.Charge
		if more.charge {
			charge = showCharge(i)
		}
	}
	if i.Declined != "" {
		failed = object{
			"type": "card_error", "code": "card_declined", "decline_code": i.Declined,
			"message": "The card was declined.",
		}
	}
	return object{
		"id": i.ID, "object": "payment_intent", "status": i.Status, "created": i.Created, "amount": i.Amount,
		"amount_capturable": capturable, "amount_received": i.Received, "currency": i.Currency, "metadata": i.Metadata,
		"capture_method": method, "cancellation_reason": orNull(i.Reason), "latest_charge": charge,
		"last_payment_error": failed, "livemode": false,
	}
}

// showCharge is the charge of an intent. What is cancelled before it was captured counts as refunded, as with Stripe.
func showCharge(i *intent) object {
	refunded := i.Refunded
	if i.Status == intentCanceled {
		refunded = i.Amount
	}
	return object{
		"id": i.Charge, "object": "charge", "status": "succeeded", "created": i.Created, "amount": i.Amount,
		"amount_captured": i.Received, "amount_refunded": refunded, "captured": i.Received > 0,
		"refunded": refunded == i.Amount, "currency": i.Currency, "metadata": i.Metadata, "payment_intent": i.ID,
		"livemode": false,
	}
}

func showRefund(i *intent, r *refund) object {
	return object{
		"id": r.ID, "object": "refund", "status": "succeeded", "amount": r.Amount, "currency": i.Currency,
		"created": r.Created, "payment_intent": i.ID, "charge": i.Charge, "metadata": r.Metadata,
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
