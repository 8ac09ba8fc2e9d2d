// Package bank is a sandbox bank: it takes no money, and speaks the part of Stripe's API that services/pay/stripepay
// uses, with the same states. It is for trying out, for tests, and for the lab.
//
// A buyer's page is a Checkout Session. Once it is paid there is a PaymentIntent, which holds the amount until it is
// captured or cancelled. On the page a person chooses how the bank behaves; POST /sandbox/behaviour chooses for all.
// What changed is told by signed webhooks, and GET /sandbox/ledger shows all charges.
package bank
