// Package outgoing writes what the notification service tells, and hands it to what carries it: letters with tickets by
// SMTP or into a folder, webhooks to partners.
package outgoing
