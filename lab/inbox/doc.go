// Package inbox receives what buyers and partners are told, as their servers do: mails by SMTP, webhooks by HTTP. It
// notes each, and hangs when it is told to.
package inbox
