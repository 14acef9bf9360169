package rpc

import (
	"strings"

	"github.com/freshet-io/freshet/services/delivery"
)

// segments returns the ids of a resource name whose collections are the given ones, and false if it has another form.
func segments(name string, collections ...string) ([]string, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 2*len(collections) {
		return nil, false
	}
	ids := make([]string, len(collections))
	for i, collection := range collections {
		if parts[2*i] != collection || parts[2*i+1] == "" {
			return nil, false
		}
		ids[i] = parts[2*i+1]
	}
	return ids, true
}

// malformed is the error of a name of another form.
func malformed(field, form string) error {
	return &delivery.InvalidError{Violations: []delivery.Violation{{Field: field, Description: "must have the form " + form}}}
}

func parseProject(name string) (string, error) {
	ids, ok := segments(name, "projects")
	if !ok {
		return "", malformed("parent", "projects/{project}")
	}
	return ids[0], nil
}

func parseBus(field, name string) (delivery.BusName, error) {
	ids, ok := segments(name, "projects", "buses")
	if !ok {
		return delivery.BusName{}, malformed(field, "projects/{project}/buses/{bus}")
	}
	return delivery.BusName{Project: ids[0], Bus: ids[1]}, nil
}

func parseRule(field, name string) (delivery.RuleName, error) {
	ids, ok := segments(name, "projects", "buses", "rules")
	if !ok {
		return delivery.RuleName{}, malformed(field, "projects/{project}/buses/{bus}/rules/{rule}")
	}
	return delivery.RuleName{Project: ids[0], Bus: ids[1], Rule: ids[2]}, nil
}

func parseArchive(field, name string) (delivery.ArchiveName, error) {
	ids, ok := segments(name, "projects", "buses", "archives")
	if !ok {
		return delivery.ArchiveName{}, malformed(field, "projects/{project}/buses/{bus}/archives/{archive}")
	}
	return delivery.ArchiveName{Project: ids[0], Bus: ids[1], Archive: ids[2]}, nil
}

func parseWebhook(field, name string) (delivery.WebhookName, error) {
	ids, ok := segments(name, "projects", "buses", "webhooks")
	if !ok {
		return delivery.WebhookName{}, malformed(field, "projects/{project}/buses/{bus}/webhooks/{webhook}")
	}
	return delivery.WebhookName{Project: ids[0], Bus: ids[1], Webhook: ids[2]}, nil
}

func parseDestination(field, name string) (delivery.DestinationName, error) {
	ids, ok := segments(name, "projects", "destinations")
	if !ok {
		return delivery.DestinationName{}, malformed(field, "projects/{project}/destinations/{destination}")
	}
	return delivery.DestinationName{Project: ids[0], Destination: ids[1]}, nil
}

func parseDelivery(field, name string) (delivery.ID, error) {
	ids, ok := segments(name, "projects", "deliveries")
	if !ok {
		return delivery.ID{}, malformed(field, "projects/{project}/deliveries/{delivery}")
	}
	return delivery.ID{Project: ids[0], Delivery: ids[1]}, nil
}

// sibling returns the id of a resource that must be of the same project.
func sibling(field, name, project, collection string) (string, error) {
	ids, ok := segments(name, "projects", collection)
	if !ok || ids[0] != project {
		return "", malformed(field, "projects/"+project+"/"+collection+"/{id}, of the same project")
	}
	return ids[1], nil
}
