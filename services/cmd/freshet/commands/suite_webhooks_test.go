package commands

import (
	"github.com/stretchr/testify/require"
)

// webhooks declares a webhook with what else a bus has, and changes it.
func (s *suite) webhooks() {
	t := s.t
	const declared = `
kind: Webhook
id: shop
bus: orders
signature: {scheme: GITHUB, secret: {valueFrom: {env: CRM_SECRET}}}
detailType: $.headers.x-github-event
---
kind: Archive
id: all
bus: orders
---
kind: Schedule
id: morning
bus: orders
expression: rate(1 day)
event: {source: clock, detailType: Morning}
`
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-"), "3 created, 0 updated, 0 unchanged\n")
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-"), "0 created, 0 updated, 3 unchanged\n")
	s.env["CRM_SECRET"] = firstSecret
	require.Equal(t, "~ update     Webhook projects/default/buses/orders/webhooks/shop\n    + signature.secret: (write-only, sent)\n",
		changes(s.run(exitDone, declared, "apply", "-f", "-")))
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-", "--dry-run"), "3 unchanged")

	require.Contains(t, s.run(exitDone, secondSecret+"\n", "webhooks", "--bus", "orders", "update", "shop", "--secret", "-"), "ENABLED")
	require.Contains(t, s.run(exitDone, "", "webhooks", "--bus", "orders", "update", "shop", "--state", "disabled"), "DISABLED")
	require.Contains(t, s.run(exitDone, "", "webhooks", "--bus", "orders", "list"), "/ingest/v1/projects/default/buses/orders/webhooks/shop")
	require.Contains(t, s.run(exitDone, declared, "apply", "-f", "-"), "~ state: DISABLED → ENABLED")
	s.run(exitDone, "", "webhooks", "--bus", "orders", "delete", "shop")
	require.Contains(t, s.run(exitFailed, "", "webhooks", "--bus", "orders", "get", "shop"), "WEBHOOK_NOT_FOUND")
}
