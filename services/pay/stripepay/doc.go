// Package stripepay takes money through Stripe, or through what speaks the same part of Stripe's API: the sandbox
// bank does.
//
// A payment is a Checkout Session in payment mode, whose page is Stripe's own, so that no card number ever comes near
// the railway. The session makes a PaymentIntent with manual capture once the buyer pays. A Charge's Reference is the
// session's id: the intent's is not known before. https://docs.stripe.com/api/checkout/sessions
package stripepay
