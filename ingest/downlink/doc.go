// Package downlink is what devices are sent: which subscriptions a message
// matches, and how far each session is in the log. A subscription is a cursor:
// whoever is away, or slow, reads from the log later what others get at once,
// on any gateway of the site, and nothing is queued for it meanwhile. The
// package knows topics and records; it knows no packets and no sockets.
package downlink
