"""Speed and memory, measured as ratios against a peer in the same run where there is one."""
