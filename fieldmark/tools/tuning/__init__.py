"""What it takes to tune a vision-language model elsewhere: rows in other layouts, and a reward."""
