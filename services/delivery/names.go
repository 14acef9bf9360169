package delivery

// DefaultBus is the bus that every project has.
const DefaultBus = "default"

// BusName names a bus of a project.
type BusName struct{ Project, Bus string }

// String returns the resource name.
func (n BusName) String() string { return "projects/" + n.Project + "/buses/" + n.Bus }

// RuleName names a rule of a bus.
type RuleName struct{ Project, Bus, Rule string }

// String returns the resource name.
func (n RuleName) String() string { return n.On().String() + "/rules/" + n.Rule }

// On returns the rule's bus.
func (n RuleName) On() BusName { return BusName{n.Project, n.Bus} }

// ArchiveName names an archive of a bus.
type ArchiveName struct{ Project, Bus, Archive string }

// String returns the resource name.
func (n ArchiveName) String() string { return n.On().String() + "/archives/" + n.Archive }

// On returns the archive's bus.
func (n ArchiveName) On() BusName { return BusName{n.Project, n.Bus} }

// DestinationName names a destination of a project.
type DestinationName struct{ Project, Destination string }

// String returns the resource name.
func (n DestinationName) String() string {
	return "projects/" + n.Project + "/destinations/" + n.Destination
}

// WebhookName names a webhook of a bus.
type WebhookName struct{ Project, Bus, Webhook string }

// String returns the resource name.
func (n WebhookName) String() string { return n.On().String() + "/webhooks/" + n.Webhook }

// On returns the webhook's bus.
func (n WebhookName) On() BusName { return BusName{n.Project, n.Bus} }

// ID names a delivery of a project. The second part is a ULID: later ones sort after earlier ones.
type ID struct{ Project, Delivery string }

// String returns the resource name.
func (n ID) String() string { return "projects/" + n.Project + "/deliveries/" + n.Delivery }

// ConnectionName returns the resource name of a project's connection.
func ConnectionName(project, connection string) string {
	return "projects/" + project + "/connections/" + connection
}

// SigningKeyName names a signing key of a destination.
type SigningKeyName struct{ Project, Destination, Key string }

// String returns the resource name.
func (n SigningKeyName) String() string { return n.On().String() + "/signingKeys/" + n.Key }

// On returns the key's destination.
func (n SigningKeyName) On() DestinationName { return DestinationName{n.Project, n.Destination} }
