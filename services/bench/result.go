package bench

// Machine is what a run says about where it ran.
type Machine struct {
	// Cores is how many CPUs the processes could use.
	Cores int `json:"cores"`
	// Store is sqlite or postgres.
	Store string `json:"store"`
	// FsyncP50MS is the median time to append 4 KiB to a file in the data folder's file system and sync it. Next to nothing means that
	// the disk is not one.
	FsyncP50MS float64 `json:"fsync_p50_ms"`
	// OthersCores is how many cores everything but this run kept busy on average while it measured. PostgreSQL is one of the others.
	OthersCores float64 `json:"others_cores"`
	// TotalSeconds is the length of the whole run.
	TotalSeconds float64 `json:"total_seconds"`
}

// DeliveryResult is what Delivery measured. docs/benchmarks.md defines the figures.
type DeliveryResult struct {
	Name string `json:"name"`
	// Ratio is DeliveredPerSecond to RawPostsPerSecond.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	DeliveredPerSecond float64 `json:"delivered_per_second"`
	RawPostsPerSecond  float64 `json:"raw_posts_per_second"`
	RawWorkers         int     `json:"raw_workers"`
	AcceptedPerSecond  float64 `json:"accepted_per_second"`
	DurationSeconds    float64 `json:"duration_seconds"` // from the first put to the last delivery
	AckP50MS           float64 `json:"ack_p50_ms"`
	AckP99MS           float64 `json:"ack_p99_ms"`

	PacedPerSecond  int     `json:"paced_per_second"`
	PacedEvents     int     `json:"paced_events"`
	PacedAckP50MS   float64 `json:"paced_ack_p50_ms"`
	PacedAckP99MS   float64 `json:"paced_ack_p99_ms"`
	EndToEndP50MS   float64 `json:"end_to_end_p50_ms"`
	EndToEndP99MS   float64 `json:"end_to_end_p99_ms"`
	SteadyPerSecond int     `json:"steady_per_second"`
	SteadyEvents    int     `json:"steady_events"`
	SteadyAckP50MS  float64 `json:"steady_ack_p50_ms"`
	SteadyAckP99MS  float64 `json:"steady_ack_p99_ms"`
	Backlog         int     `json:"backlog"`
	// BacklogPerSecond is DeliveredPerSecond with the backlog, and BacklogRatio the one to the other; 0 without one.
	BacklogPerSecond float64 `json:"backlog_delivered_per_second,omitempty"`
	BacklogRatio     float64 `json:"backlog_ratio,omitempty"`
	CPUSeconds       float64 `json:"cpu_seconds_per_1000_events"` // of load, server and sink
	ServerCPU        float64 `json:"server_cpu_seconds_per_1000_events"`
	RawCPUSeconds    float64 `json:"raw_cpu_seconds_per_1000_posts"` // of load and sink
	PeakRSSMiB       float64 `json:"peak_rss_mib"`                   // of the server
	Lost             int     `json:"lost"`
	Duplicates       int     `json:"duplicates"`
	Unauthorized     int     `json:"unauthorized"`
	Events           int     `json:"events"`
	Publishers       int     `json:"publishers"`
	EntriesPerCall   int     `json:"entries_per_call"`
	BodyBytes        int     `json:"body_bytes"`
	Destinations     int     `json:"destinations"`
	AuthorizationBy  string  `json:"authorization"` // api_key or oauth2

	Machine
}

// WatchResult is what Watch measured. docs/benchmarks.md defines the figures.
type WatchResult struct {
	Name string `json:"name"`
	// Ratio is RawP99MS to P99MS.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	FanOut
	Raw FanOut `json:"raw"`

	Streams      int `json:"streams"`
	Connections  int `json:"connections"`
	Rotations    int `json:"rotations"`
	MessageBytes int `json:"message_bytes"`

	Machine
}

// FanOut is how one server pushed, each time the median of the rotations.
type FanOut struct {
	P50MS  float64 `json:"p50_ms"`
	P99MS  float64 `json:"p99_ms"`
	LastMS float64 `json:"last_ms"`
	// FromCallP99MS is P99MS counted from the call that asked for the rotation, and so with all that came before the push.
	FromCallP99MS float64 `json:"from_call_p99_ms"`
	OpenSeconds   float64 `json:"open_seconds"`
	// OpenRSSKiB and PushedRSSKiB are what the server's memory grew by, per stream, once all were open and after the last rotation.
	OpenRSSKiB   float64 `json:"open_rss_per_stream_kib"`
	PushedRSSKiB float64 `json:"rss_per_stream_kib"`
	PeakRSSMiB   float64 `json:"peak_rss_mib"`
	// ServerCPUMicros is the server's CPU time for one stream and rotation.
	ServerCPUMicros float64 `json:"server_cpu_us_per_push"`
}

// RefreshResult is what Refresh measured. docs/benchmarks.md defines the figures.
type RefreshResult struct {
	Name string `json:"name"`
	// Ratio is RefreshesPerSecond to RawPostsPerSecond.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	RefreshesPerSecond float64 `json:"refreshes_per_second"`
	RawPostsPerSecond  float64 `json:"raw_posts_per_second"`
	RawWorkers         int     `json:"raw_workers"`
	// KeptPostsPerSecond is the same with connections that are kept, whatever the suite does.
	KeptPostsPerSecond float64 `json:"kept_posts_per_second"`
	DurationSeconds    float64 `json:"duration_seconds"` // from the first request to the last new generation
	RawCPU             float64 `json:"raw_client_cpu_seconds_per_1000_posts"`
	ServerCPU          float64 `json:"server_cpu_seconds_per_1000_refreshes"`
	PeakRSSMiB         float64 `json:"peak_rss_mib"` // of the server
	NotRefreshed       int     `json:"not_refreshed"`
	Refused            int     `json:"refused"`
	FilledPerSecond    float64 `json:"filled_per_second"`
	Tokens             int     `json:"tokens"`
	Kept               bool    `json:"kept"` // connections, by the suite

	Machine
}

// ScheduleResult is what Schedule measured. docs/benchmarks.md defines the figures.
type ScheduleResult struct {
	Name string `json:"name"`
	// Ratio is the ServerCPU of Few to that of Many.
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target"`

	Few       Stocked `json:"few"`
	Many      Stocked `json:"many"`
	Refreshes int     `json:"refreshes"`

	Machine
}

// Stocked is how the suite does with so many stored tokens.
type Stocked struct {
	Tokens             int     `json:"tokens"`
	ReadySeconds       float64 `json:"ready_seconds"` // from the start of the process
	ServerCPU          float64 `json:"server_cpu_seconds_per_1000_refreshes"`
	RefreshesPerSecond float64 `json:"refreshes_per_second"`
	IdleRSSMiB         float64 `json:"idle_rss_mib"` // of the server before the refreshes
	PeakRSSMiB         float64 `json:"peak_rss_mib"`
	FillSeconds        float64 `json:"fill_seconds"`
}
